// The log lines of the spool. A full spool gives up something with every sample: the first loss is logged at once, and
// then at most one line a minute with the sum since the last. The exact counts are in EdgeStatus. The same holds for a
// disk that cannot be written, which every poll finds.

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
        'the spool was damaged: its file was put aside, and a new one has what could be read of it'
      ),
    onDropped: summed(monotonicMs, samples =>
      log.error({ event: 'spool_full', dropped: samples }, 'the spool is full: the oldest samples are dropped')
    ),
    onThinned: summed(monotonicMs, values =>
      log.warn({ event: 'spool_thinned', thinned: values }, 'the spool is full: the oldest samples are thinned')
    ),
    onUnwritable: cause =>
      log.error(
        { event: 'spool_unwritable', err: cause },
        'the spool cannot be written, and no sample is stored until it can: look at the disk'
      ),
    onWritable: () => log.info({ event: 'spool_writable' }, 'the spool can be written again')
  }
}

/** Logs samples that were not spooled: the newest cause, and their number since the last line. */
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
