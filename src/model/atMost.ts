// Waiting with an end: a stop or an answer must not wait for ever.

import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Resolves when `work` is done, or after `ms`; then `work` goes on by itself. The wait keeps no process alive. Rejects
 * as `work` does.
 */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, sleep(ms, undefined, { ref: false })])
}
