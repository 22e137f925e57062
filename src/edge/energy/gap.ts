// How much energy a charger delivered while nobody looked, by its own records of sessions. Pure.

import { powerOutputWattsMax } from '../../model/wire/limits.ts'
import type { SessionReading, SessionRecord } from '../chargers/charger.ts'

/** A time without readings, as it is kept until the records were asked. */
export interface Gap {
  /** When the counter was read last before it, ms since the Unix epoch. */
  readonly sinceMs: number
  /** The counter then, and now. */
  readonly last: SessionReading
  readonly now: SessionReading
  /** Wh; what was added since, by the counter alone. */
  readonly addedWh: number
}

/** ms; how far times of the charger and of the edge may be apart. */
const toleranceMs = 120_000
/** Wh; counters are cut to whole ones. */
const toleranceWh = 1

/**
 * Wh since the gap began. The session that `last` shows is known by its energy, if it was over then; else by its time,
 * and the rest of it counts. Every later session counts whole, and the one that `now` shows unless it is among the
 * records already.
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
  // Nothing of it is recorded: it is the session that ran before.
  return newest === undefined ? addedWh : recorded + now.energyWh
}

/** False for what cannot have been delivered since: then the records are of another clock, or another charger. */
export const isDeliverable = (energyWh: number, ms: number): boolean =>
  energyWh <= (powerOutputWattsMax * (ms + toleranceMs)) / 3_600_000

const isOf = ({ energyWh, card }: SessionRecord, reading: SessionReading): boolean =>
  Math.abs(energyWh - reading.energyWh) <= toleranceWh && (!card || !reading.card || card === reading.card)

const spans = ({ startMs, endMs, energyWh }: SessionRecord, atMs: number, last: SessionReading): boolean =>
  startMs <= atMs + toleranceMs && endMs! >= atMs - toleranceMs && energyWh >= last.energyWh

const startedAfter = (closed: readonly SessionRecord[], sinceMs: number): readonly SessionRecord[] =>
  closed.filter(({ startMs }) => startMs > sinceMs)
