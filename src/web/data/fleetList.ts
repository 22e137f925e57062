// Chooses and sorts the chargers that the fleet page lists. Pure.

import type { ChargerSummary, ProblemCondition } from '../../model/api/api.ts'
import type { OperationState } from '../../model/wire/chargerState.ts'
import { stateOf } from '../states.ts'

export const sortKeys = ['name', 'state', 'power', 'energy', 'limit', 'vehicle', 'age', 'connection'] as const
export type SortKey = (typeof sortKeys)[number]

export interface ListSettings {
  readonly search: string
  readonly state: OperationState | ''
  /** One condition, or `any` for chargers with any problem. Empty for no filter. */
  readonly problem: ProblemCondition | 'any' | ''
  readonly sort: SortKey
  readonly isDescending: boolean
}

export interface Row {
  readonly charger: ChargerSummary
  readonly problems: readonly ProblemCondition[]
}

export interface FleetList {
  readonly names: readonly string[]
  /** The counts cover the chargers that the search finds. */
  readonly countByState: ReadonlyMap<OperationState, number>
  readonly countByProblem: ReadonlyMap<ProblemCondition, number>
  readonly withProblems: number
  readonly found: number
  readonly powerW: number
  /** Null when no charger reports energy. */
  readonly energyTodayWh: number | null
}

/** Digits in names compare as numbers, so charger-9 comes before charger-10. */
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })
export const compareNames = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)

/** `rows` must be sorted by name. */
export function listFleet(rows: readonly Row[], settings: ListSettings): FleetList {
  const found = rows.filter(({ charger }) => isFound(charger, settings.search))
  const countByState = new Map<OperationState, number>()
  const countByProblem = new Map<ProblemCondition, number>()
  let withProblems = 0
  let powerW = 0
  let energyTodayWh: number | null = null
  for (const { charger, problems } of found) {
    const state = operationState(charger)
    countByState.set(state, (countByState.get(state) ?? 0) + 1)
    for (const condition of problems) countByProblem.set(condition, (countByProblem.get(condition) ?? 0) + 1)
    if (problems.length > 0) withProblems++
    powerW += numberOf(charger, 'PowerOutput') ?? 0
    if (charger.energyTodayWh !== null) energyTodayWh = (energyTodayWh ?? 0) + charger.energyTodayWh
  }
  const listed = found.filter(row => isWanted(row, settings))
  if (settings.sort !== 'name') sortBy(listed, settings)
  else if (settings.isDescending) listed.reverse()
  return {
    names: listed.map(({ charger }) => charger.name),
    countByState,
    countByProblem,
    withProblems,
    found: found.length,
    powerW,
    energyTodayWh
  }
}

export const operationState = (charger: ChargerSummary): OperationState => stateOf(charger.values.OperationState?.value)

export function numberOf(
  charger: ChargerSummary,
  name: 'PowerOutput' | 'MaximumOutputCurrent' | 'OutputCurrent' | 'SessionEnergy' | 'TotalEnergyConsumption'
): number | null {
  const value = charger.values[name]?.value
  return typeof value === 'number' ? value : null
}

export const vehicleOf = (charger: ChargerSummary): string => String(charger.values.ConnectedVehicle?.value ?? '')

/** True when every word of the search is in the name, label, site, serial number or card. */
function isFound({ name, label, site, serial, values }: ChargerSummary, search: string): boolean {
  if (search === '') return true
  const text =
    `${name} ${label ?? ''} ${site ?? ''} ${serial ?? ''} ${values.ConnectedVehicle?.value ?? ''}`.toLowerCase()
  return search
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word))
}

function isWanted({ charger, problems }: Row, { state, problem }: ListSettings): boolean {
  if (state !== '' && operationState(charger) !== state) return false
  if (problem === 'any') return problems.length > 0
  return problem === '' || problems.includes(problem)
}

type Sortable = number | string | null
const keys: Readonly<Record<SortKey, (charger: ChargerSummary) => Sortable>> = {
  name: ({ name }) => name,
  state: operationState,
  power: charger => numberOf(charger, 'PowerOutput'),
  energy: ({ energyTodayWh }) => energyTodayWh,
  limit: charger => numberOf(charger, 'MaximumOutputCurrent'),
  vehicle: charger => vehicleOf(charger) || null,
  // The newest sample has the smallest age.
  age: ({ lastSampleTime }) => (lastSampleTime === null ? null : -Date.parse(lastSampleTime)),
  connection: ({ connection }) => connection
}

/** Unknown values come last in both directions. Equal values keep the order of their names. */
function sortBy(rows: Row[], { sort, isDescending }: ListSettings): void {
  const key = keys[sort]
  const direction = isDescending ? -1 : 1
  const keyed = rows.map(row => ({ row, key: key(row.charger) }))
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return a.key === b.key ? 0 : a.key === null ? 1 : -1
    return a.key === b.key ? 0 : a.key < b.key ? -direction : direction
  })
  for (const [i, { row }] of keyed.entries()) rows[i] = row
}
