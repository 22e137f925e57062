// Polls one charger again and again: one request at a time, at a steady pace while the charger answers and more slowly
// while it does not. It knows nothing of values: it hands samples and failures to the recorder.

import type { OperationState } from '../../model/wire/chargerState.ts'
import { type Charger, PollError, type Sample } from './charger.ts'
import { pollBackoffMsMax, pollIntervalChargingMs, pollIntervalIdleMs, pollMissesMax } from './limits.ts'

export interface PollOptions {
  readonly charger: Pick<Charger, 'poll'>
  /** ms from the start of one poll to the start of the next. If absent, it depends on the state of the charger. */
  readonly intervalMs?: number
  /** Throws PollError for a sample that must not be used. */
  readonly onSample: (sample: Sample) => void
  /** Called after each used sample, before the next poll: to ask the charger more. */
  readonly afterSample?: () => Promise<void>
  readonly onMiss: (error: PollError) => void
  /** Called with any other error: a fault of this software or of the disk. Polling continues. */
  readonly onFault: (error: unknown) => void
  readonly monotonicMs: () => number
  /** Resolves after `ms`, or at once when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Polls until the signal aborts. Never rejects. */
export async function pollForever(options: PollOptions, signal: AbortSignal): Promise<void> {
  let misses = 0
  let state: OperationState | undefined
  while (!signal.aborted) {
    const startedMs = options.monotonicMs()
    const sample = await pollOnce(options, signal)
    misses = sample === undefined ? misses + 1 : 0
    state = sample?.values.OperationState ?? state
    const intervalMs = pauseMs(options.intervalMs ?? intervalOf(state), misses)
    await options.wait(Math.max(0, startedMs + intervalMs - options.monotonicMs()), signal)
  }
}

async function pollOnce(options: PollOptions, signal: AbortSignal): Promise<Sample | undefined> {
  try {
    const sample = await options.charger.poll()
    if (signal.aborted) return undefined
    options.onSample(sample)
    await options.afterSample?.()
    return sample
  } catch (error) {
    if (signal.aborted) return undefined
    if (error instanceof PollError) options.onMiss(error)
    else options.onFault(error)
    return undefined
  }
}

/** A charging charger is polled more often: its power changes. */
const intervalOf = (state: OperationState | undefined): number =>
  state === 'charging' ? pollIntervalChargingMs : pollIntervalIdleMs

/** ms; doubles with every miss after the third, up to two minutes. Polling may be what makes a charger fail. */
export const pauseMs = (intervalMs: number, misses: number): number =>
  misses < pollMissesMax
    ? intervalMs
    : Math.max(intervalMs, Math.min(pollBackoffMsMax, intervalMs * 2 ** Math.min(misses - pollMissesMax + 1, 30)))
