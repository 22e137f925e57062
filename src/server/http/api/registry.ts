// The chargers as the database knows them, in memory. They are read again when asked for and some seconds old.

import { type ListedCharger, listChargers } from '../../../history/query/chargerList.ts'
import { energyTodayQuery } from '../../../history/query/energy.ts'
import { Zones } from '../../../history/zone.ts'
import { Cached } from './cached.ts'
import type { ReadPool } from './endpoint.ts'

export type RegisteredCharger = ListedCharger

const chargersFreshMs = 5_000
const energyFreshMs = 60_000
const patienceMs = 1_000

export class Registry {
  readonly zones = new Zones()
  readonly #chargers: Cached<ReadonlyMap<string, RegisteredCharger>>
  readonly #energyToday: Cached<ReadonlyMap<string, number>>

  constructor(db: ReadPool) {
    this.#chargers = new Cached({ read: () => readChargers(db), freshMs: chargersFreshMs, patienceMs })
    this.#energyToday = new Cached({ read: () => readEnergyToday(db), freshMs: energyFreshMs, patienceMs })
  }

  /** By name, sorted. Rejects when the database does not answer and never did. */
  chargers(): Promise<ReadonlyMap<string, RegisteredCharger>> {
    return this.#chargers.get()
  }

  /** By name: Wh since midnight of the site, at most a minute old. Empty until the database has answered once. */
  energyToday(): Promise<ReadonlyMap<string, number>> {
    return this.#energyToday.get().catch(() => new Map())
  }
}

async function readChargers(db: ReadPool): Promise<ReadonlyMap<string, RegisteredCharger>> {
  return new Map((await listChargers(db)).map(charger => [charger.name, charger]))
}

async function readEnergyToday(db: ReadPool): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ charger: string; energyWh: number }>(energyTodayQuery)
  return new Map(rows.map(({ charger, energyWh }) => [charger, energyWh]))
}
