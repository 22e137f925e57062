// Which values of a new sample are published: those that differ from the last spooled value, and those that were not
// published for a heartbeat. A value that the sample does not have stays as it was. Pure.

import { type ChargerValues, type ValueName, valueNames } from '../model/wire/chargerState.ts'

/** The last spooled value of each name, with its own sampling time: ms since the Unix epoch, or undated. */
export type KnownValues = { readonly [Name in ValueName]?: Known<ChargerValues[Name]> }
export interface Known<T = number | string> {
  readonly value: T
  readonly timeMs: number
  /**
   * Set while the sample is undated: `timeMs` is then of the monotonic clock of this start of the machine. Stored by
   * this name.
   */
  readonly held?: string
}

export function diff(
  known: KnownValues,
  values: Readonly<Partial<ChargerValues>>,
  ageMs: (known: Known) => number,
  heartbeatMs: number
): Partial<ChargerValues> {
  const isNews = (name: ValueName): boolean => {
    const value = values[name]
    const last = known[name]
    if (value === undefined) return false
    return last === undefined || last.value !== value || ageMs(last) >= heartbeatMs
  }
  return pick(values, valueNames.filter(isNews))
}

/** `known` after `changed` was spooled. */
export const remember = (
  known: KnownValues,
  changed: Readonly<Partial<ChargerValues>>,
  at: Omit<Known, 'value'>
): KnownValues => ({
  ...known,
  ...Object.fromEntries(Object.entries(changed).map(([name, value]) => [name, { value, ...at }]))
})

const pick = (values: Readonly<Partial<ChargerValues>>, names: readonly ValueName[]): Partial<ChargerValues> =>
  Object.fromEntries(names.map(name => [name, values[name]]))
