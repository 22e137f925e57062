// Polls each charger once, publishes the samples, waits for the acknowledgements and ends: the edge as a job that
// another program starts. Samples without an acknowledgement stay in the spool for the next run.

import { setTimeout as delay } from 'node:timers/promises'
import type { EdgeConfig } from './config.ts'
import { type EdgeParts, startEdge } from './edge.ts'
import { onceTimeoutMs } from './limits.ts'

export interface OnceResult {
  /** Chargers that gave no sample. */
  readonly missed: readonly string[]
  /** Every spooled sample, of this run and of earlier ones, is acknowledged. */
  readonly isSettled: boolean
}

const lookIntervalMs = 50

/** Ends early when `stopped` resolves. Throws ConfigError when the spool cannot be opened. */
export async function pollOnce(config: EdgeConfig, parts: EdgeParts, stopped: Promise<unknown>): Promise<OnceResult> {
  const missed = new Set(config.chargers.map(({ name }) => name))
  const open = new Set(missed)
  const onRound = (charger: string, hasSample: boolean): void => {
    open.delete(charger)
    if (hasSample) missed.delete(charger)
  }
  const edge = await startEdge(config, { ...parts, once: { onRound } })
  let isOver = false
  void stopped.then(() => {
    isOver = true
  })
  try {
    const untilMs = performance.now() + onceTimeoutMs
    const isDone = () => open.size === 0 && edge.isSettled()
    while (!isDone() && !isOver && performance.now() < untilMs) await delay(lookIntervalMs)
    return { missed: [...missed], isSettled: edge.isSettled() }
  } finally {
    await edge.stop()
  }
}
