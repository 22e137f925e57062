// What the spool has to say, as lines of the log. A full spool gives something up with every sample: that is told at
// once, and then at most once a minute, with the sum of what went meanwhile. The exact counts are in EdgeStatus. So is
// a disk that cannot be written, which is found with every poll.

import type { Logger } from 'pino'
import { spoolLogIntervalMs } from './limits.ts'
import type { SpoolOptions } from './spool.ts'

type Callbacks = Required<
  Pick<SpoolOptions, 'onQuarantine' | 'onDropped' | 'onThinned' | 'onUnwritable' | 'onWritable'>
>

export function spoolLog(log: Logger, monotonicMs: () => number = () => performance.now()): Callbacks {
  return {
    onQuarantine: (file, cause, saved) =>
      log.error(
        { event: 'spool_quarantined', file, saved, err: cause },
        'the spool was damaged: put aside, started a new one with what could be read of it'
      ),
    onDropped: summed(monotonicMs, samples =>
      log.error({ event: 'spool_full', dropped: samples }, 'the spool is full: oldest samples are given up')
    ),
    onThinned: summed(monotonicMs, values =>
      log.warn({ event: 'spool_thinned', thinned: values }, 'the spool is full: oldest samples are thinned')
    ),
    onUnwritable: cause =>
      log.error(
        { event: 'spool_unwritable', err: cause },
        'the spool cannot be written, and nothing is taken until it can: look at the disk'
      ),
    onWritable: () => log.info({ event: 'spool_writable' }, 'the spool can be written again')
  }
}

/** Samples of a charger that were not spooled: with the newest cause, and how many there were since the last line. */
export function faultLog(
  log: Logger,
  charger: string,
  monotonicMs: () => number = () => performance.now()
): (error: unknown) => void {
  const report = summed(monotonicMs, (samples, error) =>
    log.error({ event: 'sample_failed', charger, samples, err: error }, 'samples were not spooled')
  )
  return error => report(1, error)
}

function summed(
  monotonicMs: () => number,
  report: (sum: number, newest: unknown) => void
): (count: number, newest?: unknown) => void {
  let sum = 0
  let reportedMs = Number.NEGATIVE_INFINITY
  return (count, newest) => {
    sum += count
    if (monotonicMs() - reportedMs < spoolLogIntervalMs) return
    reportedMs = monotonicMs()
    report(sum, newest)
    sum = 0
  }
}
