// The time range of a request: `from` and `to` as moments, or as calendar days of a time zone.

import { type Bound, boundOf, momentOf, type Within } from '../../../history/query/within.ts'
import { Zone } from '../../../history/zone.ts'
import { formatTime } from '../../../model/wire/envelope.ts'
import { wrongParameter } from './endpoint.ts'
import { bound } from './parameters.ts'

export const rangeParameters = {
  from: bound('From this moment on, or from the beginning of this day.'),
  to: bound('Up to this moment, or up to the beginning of this day; itself not included (now).')
}

export interface Range {
  readonly fromUs: number
  readonly toUs: number
}

/** Throws when the range is empty. */
export function rangeOf(
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  zone: Zone,
  standardMs: number
): Range {
  const toUs = to === undefined ? Date.now() * 1000 : momentOf(boundOf(to)!, zone)
  const fromUs = from === undefined ? toUs - standardMs * 1000 : momentOf(boundOf(from)!, zone)
  if (fromUs < toUs) return { fromUs, toUs }
  throw wrongParameter('from', `a time before to (${formatTime(toUs)})`, formatTime(fromUs))
}

/** The same where every charger has days of its own zone. Throws when the range is empty in every zone. */
export function withinOf(
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  standardMs: number
): Within {
  const until = to === undefined ? { timeUs: Date.now() * 1000 } : boundOf(to)!
  const since = from === undefined ? { timeUs: momentOf(until, utc) - standardMs * 1000 } : boundOf(from)!
  if ('day' in since === 'day' in until) rangeOf({ from, to }, utc, standardMs)
  return { from: since, to: until }
}

/** As the request gave it. */
export const boundText = (bound: Bound): string => ('day' in bound ? bound.day : formatTime(bound.timeUs))

const utc = new Zone('UTC')
