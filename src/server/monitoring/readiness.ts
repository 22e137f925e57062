// Whether the server is ready, and why not, for `/readyz`. A server is ready when it can store what it receives.

import type pg from 'pg'
import type { RedisLink } from '../../broker/redis/redisLink.ts'
import { summaryOf } from '../../history/derive/failing.ts'
import type { Maintenance } from '../../history/derive/maintenance.ts'
import type { Ingest } from '../../ingest/ingest.ts'
import type { Readiness } from '../http/health.ts'
import { faultOf } from '../store/databaseWatch.ts'
import type { Credentials } from '../trust/credentials.ts'
import { attemptSlowMs } from './limits.ts'
import type { Progress } from './progress.ts'

/** Parts that answer when the start is complete. */
export interface ReadinessParts {
  readonly db: pg.Pool
  readonly ingest: Ingest
  readonly progress: Progress
  readonly maintenance: Pick<Maintenance, 'last'>
  readonly credentials: Credentials
  /** Undefined without Redis. */
  readonly link: RedisLink | undefined
}

export const starting: Readiness = {
  ready: false,
  reasons: ['starting: waiting for the database, or for Redis'],
  isPublic: true
}
export const goingAway: Readiness = { ready: false, reasons: ['stopping'], isPublic: true }

export async function readiness(parts: ReadinessParts): Promise<Readiness> {
  const { trouble, lanes } = parts.ingest
  const reasons: string[] = []
  const sinceMs = lanes.reduce((oldest, lane) => Math.min(oldest, lane.attemptSinceMs ?? oldest), Date.now())
  const seconds = Math.round((Date.now() - sinceMs) / 1000)
  if (seconds * 1000 > attemptSlowMs) reasons.push(`a batch has been with the database for ${seconds} s`)
  if (trouble !== undefined) reasons.push(`batches are kept and retried: ${trouble.message} (${trouble.code})`)
  const fault = await faultOf(parts.db)
  if (fault !== undefined) reasons.push(`the database does not answer: ${fault}`)
  else if (parts.progress.stall !== undefined) reasons.push(parts.progress.stall)
  return { ready: reasons.length === 0, reasons, warnings: warningsOf(parts) }
}

function warningsOf({ credentials, maintenance, link }: ReadinessParts): string[] {
  const warnings = [...credentials.warnings]
  const failure = maintenance.last?.failure ?? summaryOf(maintenance.last?.failing ?? [])
  if (failure !== undefined) warnings.push(`history is not brought up to date: ${failure}`)
  // A warning only: all servers share Redis, and each stores what it receives, so edges would gain nothing elsewhere.
  if (link?.isReachable === false)
    warnings.push('Redis is away: sessions and takeovers are not shared; readings are stored')
  return warnings
}
