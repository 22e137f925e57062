// The loop of one charger: opens the driver, polls it, asks its records about a gap, and closes it.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { ChargerRecorder } from './chargerRecorder.ts'
import { type Charger, PollError, type Sample } from './chargers/charger.ts'
import { pollForever } from './chargers/poll.ts'
import { openCharger } from './chargers/registry.ts'
import type { ChargerConfig } from './config.ts'
import type { Clock } from './time/clock.ts'

export interface PollingOptions {
  readonly config: ChargerConfig
  readonly recorder: Pick<ChargerRecorder, 'miss' | 'openGap' | 'fill'>
  readonly clock: Clock
  /** Throws PollError for a sample that must not be used, and what the spool throws. */
  readonly onSample: (sample: Sample) => void
  /** A sample was not spooled because of a fault of the disk or of this software. */
  readonly onFault: (error: unknown) => void
  /** Polls once only; called with whether the poll gave a sample. */
  readonly once?: ((hasSample: boolean) => void) | undefined
  readonly timeoutMs?: number | undefined
}

export interface Polling {
  /** When the next poll begins, or the current one began, by the monotonic clock. */
  dueMs(): number
  /** Ends the loop and waits for it. */
  stop(): Promise<void>
}

export async function startPolling(options: PollingOptions): Promise<Polling> {
  const { config, recorder, clock, onSample, onFault, once: onRound } = options
  const charger = await openChargerOf(options)
  const stop = new AbortController()
  let hasSample = false
  let dueMs = clock.monotonicMs()
  const polling = pollForever(
    {
      charger,
      ...(config.pollIntervalMs === undefined ? {} : { intervalMs: config.pollIntervalMs }),
      onSample: sample => {
        onSample(sample)
        hasSample = true
      },
      afterSample: () => fillGap(charger, recorder),
      onMiss: error => recorder.miss(error),
      onFault,
      monotonicMs: clock.monotonicMs,
      wait: async (ms, signal) => {
        dueMs = clock.monotonicMs() + ms
        onRound?.(hasSample)
        await (onRound ? untilAborted(signal) : delay(ms, undefined, { signal }).catch(() => {}))
      }
    },
    stop.signal
  )
  return {
    dueMs: () => dueMs,
    stop: async () => {
      stop.abort()
      await charger.close()
      await polling
    }
  }
}

function openChargerOf({ config, clock, timeoutMs }: PollingOptions): Promise<Charger> {
  const { driver, url, devKey, phases } = config
  return openCharger(driver, {
    url,
    devKey: devKey?.reveal() ?? '',
    ...(phases === undefined ? {} : { phases }),
    clock,
    ...(timeoutMs === undefined ? {} : { timeoutMs })
  })
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

/** Asks the records of the charger about a gap, once, even if they do not answer. */
async function fillGap(charger: Charger, recorder: PollingOptions['recorder']): Promise<void> {
  const gap = recorder.openGap
  if (gap === undefined) return
  try {
    recorder.fill(await charger.records?.(gap.sinceMs, gap.nowMs))
  } catch (error) {
    if (!(error instanceof PollError)) throw error
    recorder.fill(undefined)
  }
}
