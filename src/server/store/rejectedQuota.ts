// Bounds `rejected_messages`. Messages that may become storable (of a Pi whose clock was wrong, a value that a newer
// server knows) are kept for 30 days in a quota of their own. All others are kept while there is room. Over a quota,
// the senders that fill it lose their oldest messages first, so that one broken device does not push out the messages
// of others. Every deletion is counted.

import type { Pool, PoolClient } from 'pg'
import type { RejectCode } from '../../model/errors.ts'
import { advisoryLocks } from '../../model/server/advisoryLocks.ts'
import {
  rejectedDaysMax,
  rejectedOtherBytesMax,
  rejectedRecoverableBytesMax,
  rejectedRunMessages,
  rejectedRunMs
} from './limits.ts'

const recoverableCodes: readonly RejectCode[] = ['time_out_of_window', 'unknown_value_name']

export type Quota = 'recoverable' | 'other'

export interface QuotaLimits {
  readonly recoverableBytes: number
  readonly otherBytes: number
  readonly days: number
}

export interface QuotaReport {
  evicted(quota: Quota, count: number): void
  failed(error: Error): void
}

const quotaLimitsDefault: QuotaLimits = {
  recoverableBytes: rejectedRecoverableBytesMax,
  otherBytes: rejectedOtherBytesMax,
  days: rejectedDaysMax
}

/** What a row costs beside its texts: header, key, index. */
const rowBytes = 200
const cost = `(octet_length(payload) + octet_length(topic) + octet_length(reason) + ${rowBytes})::bigint`
const deleteRowsMax = 10_000

/** Checks the quotas when many messages were rejected since the last time, and at least hourly. Returns how to stop. */
export function watchQuotas(db: Pool, rejectedTotal: () => number, report: QuotaReport): () => Promise<void> {
  let seen = rejectedTotal()
  let dueMs = 0
  let running: Promise<unknown> = Promise.resolve()
  let isRunning = false
  const timer = setInterval(() => {
    if (isRunning || (Date.now() < dueMs && rejectedTotal() - seen < rejectedRunMessages)) return
    seen = rejectedTotal()
    dueMs = Date.now() + rejectedRunMs
    isRunning = true
    running = evictRejected(db, quotaLimitsDefault, report)
      .catch(error => report.failed(error as Error))
      .finally(() => {
        isRunning = false
      })
  }, lookIntervalMs)
  return async () => {
    clearInterval(timer)
    await running
  }
}
const lookIntervalMs = 2_000

/** Deletes rows that are too old or too many. Does nothing while another server does it. */
export async function evictRejected(
  db: Pool,
  limits: QuotaLimits,
  report: Pick<QuotaReport, 'evicted'>
): Promise<void> {
  const client = await db.connect()
  let lost: Error | undefined
  // The pool listens for errors only while it holds the connection. Without this listener, a dying database ends the
  // process.
  const lose = (error: Error): void => {
    lost = error
  }
  client.on('error', lose)
  try {
    const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS mine', [advisoryLocks.rejectedQuotas])
    if (!rows[0].mine) return
    try {
      await evictOld(client, limits.days, report)
      await evictExcess(client, 'recoverable', limits.recoverableBytes, report)
      await evictExcess(client, 'other', limits.otherBytes, report)
    } finally {
      await client.query('SELECT pg_advisory_unlock($1)', [advisoryLocks.rejectedQuotas])
    }
  } finally {
    client.off('error', lose)
    client.release(lost)
  }
}

const whichCodes: Readonly<Record<Quota, string>> = { recoverable: 'code = ANY($1)', other: 'code <> ALL($1)' }

async function evictOld(db: PoolClient, days: number, report: Pick<QuotaReport, 'evicted'>): Promise<void> {
  await deleteInParts(db, 'recoverable', `received_at < now() - make_interval(days => $2)`, [days], report)
}

async function evictExcess(
  db: PoolClient,
  quota: Quota,
  bytesMax: number,
  report: Pick<QuotaReport, 'evicted'>
): Promise<void> {
  const { rows: senders } = await db.query<{ identity: string; bytes: string }>(
    `SELECT identity, sum(${cost}) AS bytes FROM rejected_messages WHERE ${whichCodes[quota]} GROUP BY identity`,
    [recoverableCodes]
  )
  const share = shareOf(
    senders.map(({ bytes }) => Number(bytes)),
    bytesMax
  )
  for (const { identity, bytes } of senders) {
    if (Number(bytes) <= share) continue
    const { rows } = await db.query(
      `SELECT received_at::text, batch_id, message_index FROM (
         SELECT *, sum(${cost}) OVER (ORDER BY received_at DESC, batch_id DESC, message_index DESC) AS newer
         FROM rejected_messages WHERE ${whichCodes[quota]} AND identity = $2) AS counted
       WHERE newer > $3 ORDER BY newer LIMIT 1`,
      [recoverableCodes, identity, share]
    )
    const { received_at, batch_id, message_index } = rows[0]
    const upTo = 'identity = $2 AND (received_at, batch_id, message_index) <= ($3::timestamptz, $4::uuid, $5::integer)'
    await deleteInParts(db, quota, upTo, [identity, received_at, batch_id, message_index], report)
  }
}

/** In parts, so that no statement holds many rows for long. */
async function deleteInParts(
  db: PoolClient,
  quota: Quota,
  condition: string,
  values: readonly unknown[],
  report: Pick<QuotaReport, 'evicted'>
): Promise<void> {
  for (let count = deleteRowsMax; count === deleteRowsMax; ) {
    const { rowCount } = await db.query(
      `DELETE FROM rejected_messages WHERE (batch_id, message_index) IN (
         SELECT batch_id, message_index FROM rejected_messages WHERE ${whichCodes[quota]} AND ${condition}
         ORDER BY received_at LIMIT ${deleteRowsMax})`,
      [recoverableCodes, ...values]
    )
    count = rowCount ?? 0
    if (count > 0) report.evicted(quota, count)
  }
}

/**
 * The share that each of several may have so that all together have at most `total`. An amount below its share is kept
 * in full.
 */
export function shareOf(amounts: readonly number[], total: number): number {
  let left = total
  const ascending = [...amounts].sort((a, b) => a - b)
  for (const [i, amount] of ascending.entries()) {
    const share = left / (ascending.length - i)
    if (amount > share) return Math.floor(share)
    left -= amount
  }
  return Number.MAX_SAFE_INTEGER
}
