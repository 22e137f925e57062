// Which ranges of a batch came too late to be derived from by themselves. Pure.

import type { Row } from './row.ts'

/** Rows of a charger from the oldest to the newest, both included. */
export interface HistoryChange {
  readonly chargerId: number
  readonly fromUs: number
  readonly toUs: number
}

/** Of rows that are sorted by charger and time: those before `freshUs`, one range per charger. */
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
