// How much energy a charger delivered during a gap, by its own records of sessions. Pure.

import { powerOutputWattsMax } from '../../model/wire/limits.ts'
import type { SessionReading, SessionRecord } from '../chargers/charger.ts'

/** A time without readings, kept until the records were asked. */
export interface Gap {
  /** The last reading before the gap, ms since the Unix epoch. */
  readonly sinceMs: number
  /** The counter at that time, and now. */
  readonly last: SessionReading
  readonly now: SessionReading
  /** Wh added since then by the counter alone. */
  readonly addedWh: number
}

/** ms; the tolerated difference between the clocks of charger and edge. */
const toleranceMs = 120_000
/** Wh; counters are cut to whole numbers. */
const toleranceWh = 1

/**
 * Wh since the gap began. The session that `last` shows is found by its energy if it was over, and otherwise by its
 * time; then its rest counts. Every later session counts whole. The session that `now` shows counts unless the records
 * already have it.
 */
export function recordedWh({ last, now, sinceMs, addedWh }: Gap, records: readonly SessionRecord[]): number {
  const closed = records.filter(({ endMs }) => endMs !== undefined).sort((a, b) => a.startMs - b.startMs)
  const known = closed.findLastIndex(record => isOf(record, last) && record.startMs <= sinceMs + toleranceMs)
  const running = known >= 0 ? -1 : closed.findLastIndex(record => spans(record, sinceMs, last))
  const after = known >= 0 || running >= 0 ? closed.slice(Math.max(known, running) + 1) : startedAfter(closed, sinceMs)
  const tailWh = running >= 0 ? closed[running]!.energyWh - last.energyWh : 0
  const recorded = after.reduce((sum, { energyWh }) => sum + energyWh, Math.max(0, tailWh))
  const newest = after.at(-1) ?? closed[Math.max(known, running)]
  if (newest !== undefined && isOf(newest, now)) return recorded
  // The records have no session: `now` shows the session that ran before the gap.
  return newest === undefined ? addedWh : recorded + now.energyWh
}

/**
 * False for more energy than the charger can have delivered: such records have another clock, or belong to another
 * charger.
 */
export const isDeliverable = (energyWh: number, ms: number): boolean =>
  energyWh <= (powerOutputWattsMax * (ms + toleranceMs)) / 3_600_000

const isOf = ({ energyWh, card }: SessionRecord, reading: SessionReading): boolean =>
  Math.abs(energyWh - reading.energyWh) <= toleranceWh && (!card || !reading.card || card === reading.card)

const spans = ({ startMs, endMs, energyWh }: SessionRecord, atMs: number, last: SessionReading): boolean =>
  startMs <= atMs + toleranceMs && endMs! >= atMs - toleranceMs && energyWh >= last.energyWh

const startedAfter = (closed: readonly SessionRecord[], sinceMs: number): readonly SessionRecord[] =>
  closed.filter(({ startMs }) => startMs > sinceMs)
