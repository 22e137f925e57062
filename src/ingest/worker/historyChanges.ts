// Finds the ranges of a batch that came too late for the ordinary derivation of the history. Pure.

import type { Row } from './row.ts'

/** The rows of a charger from the oldest to the newest, both included. */
export interface HistoryChange {
  readonly chargerId: number
  readonly fromUs: number
  readonly toUs: number
}

/** One range per charger, of its rows before `freshUs`. `rows` must be sorted by charger and time. */
export function historyChanges(rows: readonly Row[], freshUs: number): HistoryChange[] {
  const changes: { chargerId: number; fromUs: number; toUs: number }[] = []
  for (const { chargerId, timeUs } of rows) {
    if (timeUs >= freshUs) continue
    const last = changes.at(-1)
    if (last?.chargerId === chargerId) last.toUs = timeUs
    else changes.push({ chargerId, fromUs: timeUs, toUs: timeUs })
  }
  return changes
}
