// The rear of the data path: lanes and writers that commit what the broker admits, and the thread that derives history.

import type { Shadow } from '../../broker/shadow.ts'
import { HistoryThread } from '../../history/derive/historyThread.ts'
import { Ingest, type IngestReport } from '../../ingest/ingest.ts'
import { atMost } from '../../model/atMost.ts'
import type { Budget } from '../../model/server/budget.ts'
import { stopRestMs } from '../limits.ts'
import type { Recorder } from '../monitoring/recorder.ts'
import type { Startup } from './startup.ts'

export interface IngestNeeds {
  readonly databaseUrl: string
  readonly budget: Budget
  /** Told what is committed. */
  readonly shadow: Pick<Shadow, 'advance'>
  readonly recorder: Pick<Recorder, 'batchStored' | 'acknowledged'>
}

export interface IngestPath {
  readonly ingest: Ingest
  readonly maintenance: HistoryThread
}

const real = {
  ingest: (options: ConstructorParameters<typeof Ingest>[0]): Ingest => new Ingest(options),
  maintenance: (options: ConstructorParameters<typeof HistoryThread>[0]): HistoryThread => new HistoryThread(options)
}

/**
 * Registers the stop of the thread. The ingest path itself is closed with the broker, through which its
 * acknowledgements leave.
 */
export function startIngest({ config, log, lifetime }: Startup, needs: IngestNeeds, open = real): IngestPath {
  const { databaseUrl, budget, shadow, recorder } = needs
  const ingest = open.ingest({
    databaseUrl,
    workers: config.workers,
    acceptPastMs: config.acceptPastMs,
    budget,
    now: Date.now,
    committed: newest => shadow.advance(newest, 'committed'),
    report: ingestReport(log, recorder)
  })
  const maintenance = open.maintenance({
    databaseUrl,
    node: config.nodeId,
    retentionMs: config.retentionMs,
    committed: () => ingest.counters.committed,
    failed: (reason, charger) => log.error({ event: 'history_failed', charger, reason }, 'history is not up to date')
  })
  const stopMaintenance = maintenance.start()
  lifetime.owns(() => atMost(stopRestMs, stopMaintenance()))
  return { ingest, maintenance }
}

const ingestReport = (log: Startup['log'], recorder: IngestNeeds['recorder']): IngestReport => ({
  stored: (result, seconds) => recorder.batchStored(seconds, result.rows),
  acknowledged: (batch, outcomes) => recorder.acknowledged(batch, outcomes),
  kept: ({ code, message }, attempt) => {
    if (attempt === 1) log.warn({ event: 'batch_kept', code, reason: message }, 'batch kept, retrying')
  },
  workerDied: error => log.error({ event: 'worker_died', err: error }, 'a worker thread died, and is replaced'),
  recovered: () => log.info({ event: 'batch_recovered' }, 'batches are stored again')
})
