// The edge's clocks: the wall clock that stamps samples, and the one that never steps, for intervals.
// Promises that a charger's sampling times rise, even when the wall clock steps back. Never sets a clock.

import type { Clock } from './chargers/charger.ts'

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now()
}

/** No sample is older than this software: a clock that says so was never set (a Raspberry Pi keeps none without power). */
const trustworthyFromMs = Date.UTC(2025, 0, 1)

/** Samples are taken only while this holds. */
export const isTrustworthy = (nowMs: number): boolean => nowMs >= trustworthyFromMs

/** ms; later than every sampling time before. */
export const nextSamplingTime = (arrivedMs: number, lastMs: number | undefined): number =>
  lastMs === undefined ? Math.floor(arrivedMs) : Math.max(Math.floor(arrivedMs), lastMs + 1)
