// The chargers as the database knows them, in memory: read anew when they are asked for and some seconds old. While the database
// is away what was known before stays.

import type { ReadPool } from './endpoint.ts'

export interface RegisteredCharger {
  readonly id: number
  readonly name: string
  readonly site: string | null
  readonly label: string | null
  readonly serial: string | null
  readonly tariff: string | null
  readonly timeZone: string
}

const freshMs = 5_000

export class Registry {
  readonly #db: ReadPool
  #chargers: ReadonlyMap<string, RegisteredCharger> | undefined
  #readMs = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined

  constructor(db: ReadPool) {
    this.#db = db
  }

  /** By name, sorted. Rejects when the database does not answer and never did. */
  async chargers(): Promise<ReadonlyMap<string, RegisteredCharger>> {
    if (performance.now() - this.#readMs > freshMs) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined
      })
      if (this.#chargers === undefined) await this.#reading
      else await this.#reading.catch(() => {})
    }
    return this.#chargers!
  }

  async #read(): Promise<void> {
    this.#readMs = performance.now() // also when it fails: not every request waits for what is away
    const { rows } = await this.#db.query<RegisteredCharger>(
      `SELECT chargers.id, chargers.name, sites.name AS site, label, serial, tariff,
         coalesce(time_zone, 'UTC') AS "timeZone"
       FROM chargers LEFT JOIN sites ON sites.id = site ORDER BY chargers.name COLLATE "C"`
    )
    this.#chargers = new Map(rows.map(row => [row.name, row]))
  }
}
