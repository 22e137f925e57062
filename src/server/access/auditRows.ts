// The table audit_events. A row is written behind, and again when its count has grown. Strangers and known identities
// have a quota each, so that the noise of the internet does not push out the events of the fleet.

import type { Pool } from 'pg'
import { auditDaysMax, auditKnownRowsMax, auditStrangerRowsMax } from './limits.ts'

/** One event and its repetitions within a window. */
export interface AuditRow {
  readonly id: string
  readonly atMs: number
  lastAtMs: number
  count: number
  readonly event: string
  readonly rule: string | null
  readonly identity: string
  readonly serial: string
  address: string
  reason: string
  readonly node: string
}

export type AuditQuota = 'strangers' | 'known'

export interface AuditLimits {
  readonly strangers: number
  readonly known: number
  readonly days: number
}

const limitsDefault: AuditLimits = { strangers: auditStrangerRowsMax, known: auditKnownRowsMax, days: auditDaysMax }

/** An existing row gets the new count, last time, address and reason. */
export async function upsertAudit(db: Pool, rows: readonly AuditRow[]): Promise<void> {
  await db.query(
    `INSERT INTO audit_events (id, at, last_at, count, event, rule, identity, serial, address, reason, node)
     SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::integer[], $5::text[], $6::text[],
       $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
     ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at, count = excluded.count, address = excluded.address,
       reason = excluded.reason`,
    [
      rows.map(({ id }) => id),
      rows.map(({ atMs }) => new Date(atMs)),
      rows.map(({ lastAtMs }) => new Date(lastAtMs)),
      rows.map(({ count }) => Math.min(count, 0x7fff_ffff)),
      rows.map(({ event }) => event),
      rows.map(({ rule }) => rule),
      rows.map(({ identity }) => stored(identity)),
      rows.map(({ serial }) => stored(serial)),
      rows.map(({ address }) => stored(address)),
      rows.map(({ reason }) => stored(reason)),
      rows.map(({ node }) => node)
    ]
  )
}

/** PostgreSQL has no NUL in text and no half of a surrogate pair. One such row must not block the others. */
const stored = (text: string): string => text.toWellFormed().replaceAll('\0', '?')

/** Deletes rows that are too old or too many, the oldest first. */
export async function evictAudit(
  db: Pool,
  evicted: (quota: AuditQuota, count: number) => void,
  limits: AuditLimits = limitsDefault
): Promise<void> {
  for (const quota of ['strangers', 'known'] as const) {
    const { rowCount } = await db.query(
      `DELETE FROM audit_events WHERE id IN (
         SELECT id FROM audit_events
         WHERE (identity = '') = $1 AND (at < now() - make_interval(days => $3) OR (at, id) <=
           (SELECT at, id FROM audit_events WHERE (identity = '') = $1 ORDER BY at DESC, id DESC OFFSET $2 LIMIT 1))
         FOR UPDATE SKIP LOCKED)`,
      [quota === 'strangers', limits[quota], limits.days]
    )
    if (rowCount) evicted(quota, rowCount)
  }
}
