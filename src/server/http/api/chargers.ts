// The fleet as it is now: what the database knows of each charger, with its newest committed values and its presence
// from memory. So a page of a thousand chargers costs the database almost nothing.

import type { ShadowEntry } from '../../../broker/shadow.ts'
import type {
  ChargerAnswer,
  ChargerSummary,
  ChargersAnswer,
  ProblemCondition,
  TimedValue
} from '../../../model/api/api.ts'
import { operationStates, type ValueName, valueNames } from '../../../model/wire/chargerState.ts'
import { formatTime, type Value } from '../../../model/wire/envelope.ts'
import { connectionName, edgeStatusName } from '../../../model/wire/topics.ts'
import type { Caller } from '../../access/access.ts'
import { masked, mayReadCards } from '../../access/mask.ts'
import { partsOf } from '../live/liveJournal.ts'
import { chargerAnswer, chargersAnswer } from './answers.ts'
import { ApiFault, type Endpoint, endpoint, wrongParameter } from './endpoint.ts'
import { chargersPageDefault, chargersPageMax } from './limits.ts'
import { chargerInPath, limitOf, oneOf, text } from './parameters.ts'
import type { RegisteredCharger, Registry } from './registry.ts'

/** What is read of the shadow. */
export interface Newest {
  readonly chargers: Iterable<string>
  valuesOf(charger: string): ReadonlyMap<string, ShadowEntry> | undefined
}

export interface FleetParts {
  readonly newest: Newest
  readonly registry: Registry
  /** What is wrong with a charger now. */
  readonly problems: (charger: string) => readonly ProblemCondition[]
}

const list = endpoint({
  path: '/api/v1/chargers',
  needs: 'viewer',
  summary: 'The chargers by name, each with its newest values and its presence.',
  parameters: {
    limit: limitOf(chargersPageDefault, chargersPageMax),
    after: text('What follows this name.'),
    state: oneOf(operationStates, 'Those whose newest OperationState is this.'),
    connection: oneOf(['online', 'offline'], 'Those whose edge is connected, or is not.'),
    site: text('Those of this site, by its name.'),
    q: text('Those with this text in name, label, serial or, for the role billing, card id.')
  },
  answers: chargersAnswer,
  async run(
    parts: FleetParts,
    { caller, values: { limit, after, state, connection, site, q } }
  ): Promise<ChargersAnswer> {
    const registered = await parts.registry.chargers()
    const wanted = q?.toLowerCase()
    const found: string[] = []
    for (const name of namesOf(parts.newest, registered)) {
      if (after !== undefined && name <= after) continue
      const values = parts.newest.valuesOf(name)
      if (state !== undefined && newestOf(values, 'OperationState') !== state) continue
      if (connection !== undefined && (newestOf(values, connectionName) ?? 'offline') !== connection) continue
      if (site !== undefined && registered.get(name)?.site !== site) continue
      if (wanted !== undefined && !isFound(wanted, name, registered.get(name), values, caller)) continue
      found.push(name)
      if (found.length > limit) break
    }
    const page = found.slice(0, limit)
    const energy = await parts.registry.energyToday()
    const chargers = page.map(name => summaryOf(parts, name, registered.get(name), energy, caller))
    return { chargers, ...(found.length > limit && { next: page.at(-1)! }) }
  }
})

const one = endpoint({
  path: '/api/v1/chargers/{name}',
  needs: 'viewer',
  summary: 'One charger, with what its edge says of itself.',
  parameters: { name: chargerInPath },
  answers: chargerAnswer,
  async run(parts: FleetParts, { caller, values: { name } }): Promise<ChargerAnswer> {
    const registered = (await parts.registry.chargers()).get(name)
    const values = parts.newest.valuesOf(name)
    if (registered === undefined && values === undefined) throw noCharger(name)
    const status = values?.get(edgeStatusName)
    return {
      ...summaryOf(parts, name, registered, await parts.registry.energyToday(), caller),
      timeZone: registered?.timeZone ?? 'UTC',
      tariff: registered?.tariff ?? null,
      edgeStatus: status === undefined ? null : JSON.parse(status.payload)
    }
  }
})

export const chargerEndpoints: readonly Endpoint<FleetParts>[] = [list, one]

/** The requested chargers by name. An unknown name is a fault. Chargers that never sent anything are left out. */
export async function chargersOf(
  { registry, newest }: FleetParts,
  charger: string | undefined,
  site: string | undefined
): Promise<readonly RegisteredCharger[]> {
  const chargers = await registry.chargers()
  const found =
    charger === undefined ? [...chargers.values()] : [chargers.get(charger)].filter(one => one !== undefined)
  if (charger !== undefined && found.length === 0 && newest.valuesOf(charger) === undefined)
    throw wrongParameter('charger', 'a charger that is known', charger)
  if (site === undefined) return found
  const isKnown = [...chargers.values()].some(one => one.site === site)
  if (!isKnown) throw wrongParameter('site', 'a site that has chargers', site)
  return found.filter(one => one.site === site)
}

export const noCharger = (name: string): ApiFault =>
  new ApiFault(404, { error: `expected a charger that is known, found ${name}`, code: 'unknown_charger' })

function summaryOf(
  { newest, problems }: FleetParts,
  name: string,
  registered: RegisteredCharger | undefined,
  energy: ReadonlyMap<string, number>,
  caller: Caller
): ChargerSummary {
  const entries = newest.valuesOf(name)
  const connection = timedOf(entries, connectionName)
  const values: Partial<Record<ValueName, TimedValue>> = {}
  let lastUs = Number.NEGATIVE_INFINITY
  for (const valueName of valueNames) {
    const timed = timedOf(entries, valueName)
    if (timed === undefined) continue
    values[valueName] = { time: timed.time, value: masked(caller, valueName, timed.value) }
    lastUs = Math.max(lastUs, entries!.get(valueName)!.timeUs)
  }
  return {
    name,
    site: registered?.site ?? null,
    label: registered?.label ?? null,
    serial: registered?.serial ?? null,
    connection: (connection?.value as ChargerSummary['connection']) ?? null,
    connectionSince: connection?.time ?? null,
    lastSampleTime: lastUs === Number.NEGATIVE_INFINITY ? null : formatTime(lastUs),
    values,
    energyTodayWh: energy.get(name) ?? null,
    problems: [...problems(name)]
  }
}

/** Includes chargers that sent for the first time since the registry was read. */
function namesOf(newest: Newest, registered: ReadonlyMap<string, RegisteredCharger>): readonly string[] {
  const others = [...newest.chargers].filter(name => !registered.has(name))
  return others.length === 0 ? [...registered.keys()] : [...registered.keys(), ...others].sort(byCodeUnits)
}
const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** A caller who may not see card ids must not find one out by searching. */
function isFound(
  wanted: string,
  name: string,
  registered: RegisteredCharger | undefined,
  values: ReadonlyMap<string, ShadowEntry> | undefined,
  caller: Caller
): boolean {
  const vehicle = mayReadCards(caller) ? newestOf(values, 'ConnectedVehicle') : undefined
  const texts = [name, registered?.label, registered?.serial, vehicle as string | undefined]
  return texts.some(text => text?.toLowerCase().includes(wanted))
}

const newestOf = (values: ReadonlyMap<string, ShadowEntry> | undefined, name: string): Value | undefined =>
  timedOf(values, name)?.value

function timedOf(values: ReadonlyMap<string, ShadowEntry> | undefined, name: string): TimedValue | undefined {
  const entry = values?.get(name)
  if (entry === undefined) return undefined
  const { time, value } = partsOf(entry.payload)
  return { time, value: JSON.parse(value) }
}
