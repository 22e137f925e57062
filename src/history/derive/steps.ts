// How far a turn of maintenance goes: the next step through time, and how many ranges of chargers make one step. Pure:
// clocks and rows are arguments.

import pg from 'pg'
import { acceptFutureMs } from '../../model/wire/limits.ts'
import { historyStepMs, unsettledMs } from './limits.ts'
import { clipped, type Range } from './ranges.ts'

/** The clock of a server may differ so much from the clock of the database. */
const clockSkewMs = 60_000
/** A step that takes less, or more, is followed by a larger, or a smaller one. */
const stepMsMin = 100
const stepMsMax = 400
const rangesAtOnceMax = 500
export const rangesAtOnceFirst = 4
/** While the server is busy: a pause so many times as long as the work, until the turn has lasted this long. */
const pausePerWork = 9
const patientMs = 5 * 60_000

export interface Step {
  /** What is derived reaches so far when the step is done. */
  readonly toMs: number
  /** It reaches the present. */
  readonly isLast: boolean
  /** The raw rows that are looked at; undefined: all of them are gone. */
  readonly window: Range | undefined
}

/**
 * The step that begins where the last one ended. It looks back by `unsettledMs`, because rows of that time may have
 * come since. The last one looks ahead as far as a sample may lie in the future.
 */
export function stepFrom(fromMs: number, nowMs: number, rawFromMs: number): Step {
  const isLast = fromMs + historyStepMs >= nowMs
  const toMs = isLast ? nowMs : fromMs + historyStepMs
  const lookTo = isLast ? toMs + acceptFutureMs + clockSkewMs : toMs
  const [window] = clipped([{ fromMs: fromMs - unsettledMs, toMs: lookTo }], rawFromMs)
  return { toMs, isLast, window }
}

/** After a step of `was` ranges that took so long. */
export function rangesAtOnceAfter(tookMs: number, was: number): number {
  if (tookMs < stepMsMin) return Math.min(was * 2, rangesAtOnceMax)
  return tookMs > stepMsMax ? Math.max(1, was >> 1) : was
}

/**
 * Until when a busy server has the time for itself. A turn that has lasted long must come to an end: then there is no
 * pause.
 */
export const pauseUntilMs = (startedMs: number, endedMs: number, turnStartedMs: number): number =>
  Math.min(endedMs + (endedMs - startedMs) * pausePerWork, turnStartedMs + patientMs)

/**
 * Whether the data of a charger may be the reason: a fault of the data or of a constraint (SQLSTATE 22 and 23), or an
 * error of our own. Any other error of the database is for the database, the connection or the schema.
 */
export const isDataError = (error: unknown): boolean =>
  !(error instanceof pg.DatabaseError) || /^2[23]/.test(error.code ?? '')
