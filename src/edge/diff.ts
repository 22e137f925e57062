// What has to be published: the values of a new sample that differ from what was spooled last, and those that have been
// silent for a heartbeat. Pure; a value that the new sample does not tell stays as it was.

import { type ChargerValues, type ValueName, valueNames } from '../model/wire/chargerState.ts'

/** What was spooled last, by value: a value and its own sampling time, ms since the Unix epoch unless it is held. */
export type KnownValues = { readonly [Name in ValueName]?: Known<ChargerValues[Name]> }
export interface Known<T = number | string> {
  readonly value: T
  readonly timeMs: number
  /** The time was not known: `timeMs` is of the monotonic clock of this start of the machine. */
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
