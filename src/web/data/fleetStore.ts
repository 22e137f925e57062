// Holds the current data of the fleet, one entry per charger. The data comes from the API's list and from live events,
// in any order. A value never goes back in its SamplingTime. Listeners learn that something has changed, but not what.

import type { ChargerSummary, LiveConnection, LiveReading, Problem, ProblemCondition } from '../../model/api/api.ts'

/** Counts changes. A list compares the counters to decide whether it must sort again. */
export interface Revision {
  /** Rises with every change. */
  readonly all: number
  /** Rises when chargers are added or loaded again. */
  readonly membership: number
}

export class FleetStore {
  readonly chargers = new Map<string, ChargerSummary>()
  #problems: ReadonlyMap<string, readonly Problem[]> = new Map()
  #conditions: ReadonlyMap<string, readonly ProblemCondition[]> = new Map()
  #problemsRevision = 0
  #all = 0
  #membership = 0
  readonly #watchers = new Set<() => void>()

  get revision(): Revision {
    return { all: this.#all, membership: this.#membership }
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  problemsOf(charger: string): readonly Problem[] {
    return this.#problems.get(charger) ?? []
  }

  /** Rises when problems are loaded again. */
  get problemsRevision(): number {
    return this.#problemsRevision
  }

  /** The conditions come from the problems. Before the problems are loaded, they come from the list. */
  conditionsOf(charger: string): readonly ProblemCondition[] {
    if (this.#problemsRevision === 0) return this.chargers.get(charger)?.problems ?? none
    return this.#conditions.get(charger) ?? none
  }

  /** Replaces the list. Newer values from live events stay. */
  load(summaries: readonly ChargerSummary[]): void {
    const names = new Set(summaries.map(({ name }) => name))
    for (const name of this.chargers.keys()) if (!names.has(name)) this.chargers.delete(name)
    for (const summary of summaries) this.chargers.set(summary.name, merged(summary, this.chargers.get(summary.name)))
    this.#membership++
    this.#changed()
  }

  loadOne(summary: ChargerSummary): void {
    if (!this.chargers.has(summary.name)) this.#membership++
    this.chargers.set(summary.name, merged(summary, this.chargers.get(summary.name)))
    this.#changed()
  }

  loadProblems(problems: readonly Problem[]): void {
    this.#problems = Map.groupBy(problems, ({ charger }) => charger)
    this.#conditions = new Map(
      [...this.#problems].map(([charger, of]) => [charger, of.map(({ condition }) => condition)])
    )
    this.#problemsRevision++
    this.#changed()
  }

  readings(readings: readonly LiveReading[]): void {
    for (const reading of readings) this.#read(reading)
    if (readings.length > 0) this.#changed()
  }

  connections(connections: readonly LiveConnection[]): void {
    for (const { charger, state, since } of connections) {
      const known = this.#entry(charger)
      if (known.connectionSince !== null && since < known.connectionSince) continue
      this.chargers.set(charger, { ...known, connection: state, connectionSince: since })
    }
    if (connections.length > 0) this.#changed()
  }

  /** Makes the listeners look again, although the data has not changed. */
  touch(): void {
    this.#changed()
  }

  #read({ charger, name, time, value }: LiveReading): void {
    const known = this.#entry(charger)
    const before = known.values[name]
    if (before !== undefined && time <= before.time) return
    const gainedWh =
      name === 'TotalEnergyConsumption' && typeof value === 'number' && typeof before?.value === 'number'
        ? Math.max(0, value - before.value)
        : 0
    this.chargers.set(charger, {
      ...known,
      values: { ...known.values, [name]: { time, value } },
      lastSampleTime: known.lastSampleTime !== null && known.lastSampleTime > time ? known.lastSampleTime : time,
      energyTodayWh: known.energyTodayWh === null ? null : known.energyTodayWh + gainedWh
    })
  }

  #entry(name: string): ChargerSummary {
    const known = this.chargers.get(name)
    if (known !== undefined) return known
    this.#membership++
    return { ...unheardOf, name }
  }

  #changed(): void {
    this.#all++
    for (const changed of this.#watchers) changed()
  }
}

const none: readonly ProblemCondition[] = []

/** The entry for a charger that appears in a live event before it appears in a list. */
const unheardOf: ChargerSummary = {
  name: '',
  site: null,
  label: null,
  serial: null,
  connection: null,
  connectionSince: null,
  lastSampleTime: null,
  values: {},
  energyTodayWh: null,
  problems: []
}

/** Merges `loaded` with the newer values of `live`. */
function merged(loaded: ChargerSummary, live: ChargerSummary | undefined): ChargerSummary {
  if (live === undefined) return loaded
  const newer = Object.entries(live.values).filter(
    ([name, value]) => value.time > (loaded.values[name as keyof ChargerSummary['values']]?.time ?? '')
  )
  const isConnectionNewer = (live.connectionSince ?? '') > (loaded.connectionSince ?? '')
  return {
    ...loaded,
    values: newer.length === 0 ? loaded.values : { ...loaded.values, ...Object.fromEntries(newer) },
    lastSampleTime:
      (live.lastSampleTime ?? '') > (loaded.lastSampleTime ?? '') ? live.lastSampleTime : loaded.lastSampleTime,
    ...(isConnectionNewer && { connection: live.connection, connectionSince: live.connectionSince })
  }
}
