// The time range of a request: moments, or days of the calendar. A day begins at midnight of each charger's own site.

import { formatTime, parseTime } from '../../model/wire/envelope.ts'
import type { Zone } from '../zone.ts'

export type Bound = { readonly timeUs: number } | { readonly day: string }
export const boundRule = 'a day (2026-10-01), or RFC 3339 with an offset (2026-10-01T00:00:00+02:00)'

const dayPattern = /^\d{4}-\d{2}-\d{2}$/

/** Parses a bound. Undefined for a text that breaks `boundRule`. */
export function boundOf(text: string): Bound | undefined {
  if (dayPattern.test(text)) return parseTime(`${text}T00:00:00Z`) === undefined ? undefined : { day: text }
  const timeUs = parseTime(text)
  return timeUs === undefined ? undefined : { timeUs }
}

export const momentOf = (bound: Bound, zone: Zone): number =>
  'day' in bound ? zone.startOfDay(bound.day) * 1000 : bound.timeUs

export interface Within {
  readonly from: Bound
  /** The range ends before this bound. */
  readonly to: Bound
}

/** No time zone is further from UTC, in hours. */
const farthestHours = 15

/**
 * The SQL condition that `column` lies within the range, in the time zone in the column `zone`. A bound that is a day
 * gets a constant bound beside it, for the index and for the planner. The function adds its parameters to `parameters`.
 */
export function withinSql(column: string, zone: string, { from, to }: Within, parameters: unknown[]): string {
  const placeOf = (value: string): string => `$${parameters.push(value)}`
  const side = (bound: Bound, operator: '>=' | '<', hours: number): string => {
    if ('timeUs' in bound) return `${column} ${operator} ${placeOf(formatTime(bound.timeUs))}::timestamptz`
    const coarse = new Date(Date.parse(`${bound.day}T00:00:00Z`) + hours * 3_600_000).toISOString()
    const midnight = `${placeOf(bound.day)}::timestamp AT TIME ZONE ${zone}`
    return `${column} ${operator} ${placeOf(coarse)}::timestamptz AND ${column} ${operator} ${midnight}`
  }
  return `${side(from, '>=', -farthestHours)} AND ${side(to, '<', farthestHours)}`
}
