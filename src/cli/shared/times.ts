// Reads times on the command line.

import { parseTime } from '../../model/wire/envelope.ts'

/** The forms that `timeMs` accepts, for faults and help. */
export const timeRule = '2026-11-01 or 2026-11-01T12:00:00Z'

/**
 * The time in ms since the Unix epoch. A date means its midnight in UTC. NaN for a text that is neither a date nor an
 * RFC 3339 time.
 */
export function timeMs(text: string): number {
  const timeUs = parseTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
  return timeUs === undefined ? Number.NaN : timeUs / 1000
}
