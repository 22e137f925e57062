// The quotas of rejected messages: what is deleted is counted and logged.

import type { Pool } from 'pg'
import { atMost } from '../../model/atMost.ts'
import { stopRestMs } from '../limits.ts'
import type { Recorder } from '../monitoring/recorder.ts'
import { watchQuotas } from '../store/rejectedQuota.ts'
import type { DataPath } from './dataPath.ts'
import type { Startup } from './startup.ts'

export interface QuotaNeeds {
  readonly db: Pool
  readonly dataPath: { readonly ingest: Pick<DataPath['ingest'], 'counters'> }
  readonly recorder: Pick<Recorder, 'rejectedEvicted'>
}

export function startQuotas({ log, lifetime }: Startup, { db, dataPath, recorder }: QuotaNeeds): void {
  const stop = watchQuotas(db, () => dataPath.ingest.counters.rejectedTotal, {
    evicted: (quota, count) => {
      recorder.rejectedEvicted(quota, count)
      log.warn({ event: 'rejected_evicted', quota, count }, 'rejected messages deleted: too many, or too old')
    },
    failed: ({ message }) =>
      log.warn({ event: 'rejected_quota_failed', reason: message }, 'quotas of rejected messages not applied')
  })
  lifetime.owns(() => atMost(stopRestMs, stop()))
}
