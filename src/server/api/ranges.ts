// The time that a request asks for: `from` and `to` as moments, or as days of the calendar of a time zone.

import type { Zone } from '../../history/zone.ts'
import { formatTime } from '../../model/envelope.ts'
import { wrongParameter } from './endpoint.ts'
import { type Bound, bound, boundOf } from './parameters.ts'

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

export const momentOf = (found: Bound, zone: Zone): number =>
  'day' in found ? zone.startOfDay(found.day) * 1000 : found.timeUs
