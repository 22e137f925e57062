// Decides how far a turn of maintenance goes: the next step through time, and the number of chargers' ranges in one
// step. Pure: clocks and rows are arguments.

import pg from 'pg'
import { acceptFutureMs } from '../../model/wire/limits.ts'
import { historyStepMs, unsettledMs } from './limits.ts'
import { clipped, type Range } from './ranges.ts'

/** The clock of a server may differ from the clock of the database by this much. */
const clockSkewMs = 60_000
/**
 * A step that takes less than `stepMsMin` is followed by a larger step. A step that takes more than `stepMsMax` is
 * followed by a smaller one.
 */
const stepMsMin = 100
const stepMsMax = 400
const rangesAtOnceMax = 500
export const rangesAtOnceFirst = 4
/**
 * While the server is busy, a pause is this many times as long as the work. There are no pauses once the turn has
 * lasted for `patientMs`.
 */
const pausePerWork = 9
const patientMs = 5 * 60_000

export interface Step {
  /** The time up to which everything is derived when the step is done. */
  readonly toMs: number
  /** True when the step reaches the present. */
  readonly isLast: boolean
  /** The time range of the raw rows to read. Undefined: all of these rows are dropped. */
  readonly window: Range | undefined
}

/**
 * The step that begins where the last step ended. It looks back by `unsettledMs`, because rows of that time may have
 * arrived since. The last step looks ahead as far as a sample may lie in the future.
 */
export function stepFrom(fromMs: number, nowMs: number, rawFromMs: number): Step {
  const isLast = fromMs + historyStepMs >= nowMs
  const toMs = isLast ? nowMs : fromMs + historyStepMs
  const lookTo = isLast ? toMs + acceptFutureMs + clockSkewMs : toMs
  const [window] = clipped([{ fromMs: fromMs - unsettledMs, toMs: lookTo }], rawFromMs)
  return { toMs, isLast, window }
}

/** The number of ranges for the next step, after a step of `was` ranges that took `tookMs`. */
export function rangesAtOnceAfter(tookMs: number, was: number): number {
  if (tookMs < stepMsMin) return Math.min(was * 2, rangesAtOnceMax)
  return tookMs > stepMsMax ? Math.max(1, was >> 1) : was
}

/**
 * The time at which the pause for a busy server ends. A turn that has lasted long gets no pause, because it must come
 * to an end.
 */
export const pauseUntilMs = (startedMs: number, endedMs: number, turnStartedMs: number): number =>
  Math.min(endedMs + (endedMs - startedMs) * pausePerWork, turnStartedMs + patientMs)

/**
 * True if the data of a charger may be the cause: a fault of the data or of a constraint (SQLSTATE 22 and 23), or an
 * error of our own. All other database errors concern the database, the connection or the schema.
 */
export const isDataError = (error: unknown): boolean =>
  !(error instanceof pg.DatabaseError) || /^2[23]/.test(error.code ?? '')
