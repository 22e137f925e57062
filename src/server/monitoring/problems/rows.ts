// The table `problems`, one function for each statement, and the lease of the server that writes it.

import type { Pool } from 'pg'
import { type Condition, conditions } from '../../../model/api/problem.ts'

/** Times are ms since the Unix epoch. */
export interface ProblemRow {
  readonly charger: string
  readonly condition: Condition
  cause: string
  sinceMs: number
  /** When the problem was first seen. */
  readonly seenMs: number
  /** The webhook was told that it is there. */
  toldMs: number | undefined
  /** The problem is gone, and the webhook was not told yet. */
  closedMs: number | undefined
}

interface StoredRow {
  charger: string
  condition: Condition
  cause: string
  since: Date
  seen_at: Date
  told_at: Date | null
  closed_at: Date | null
}

export async function loadProblems(db: Pool): Promise<ProblemRow[]> {
  const { rows } = await db.query<StoredRow>(
    'SELECT charger, condition, cause, since, seen_at, told_at, closed_at FROM problems WHERE condition = ANY ($1)',
    [conditions]
  )
  return rows.map(({ charger, condition, cause, since, seen_at, told_at, closed_at }) => ({
    charger,
    condition,
    cause,
    sinceMs: since.getTime(),
    seenMs: seen_at.getTime(),
    toldMs: told_at?.getTime(),
    closedMs: closed_at?.getTime()
  }))
}

/** True when this node keeps the problems for the next `forMs`: no other node does, or its lease has ended. */
export async function takeLease(db: Pool, node: string, forMs: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `INSERT INTO problems_lease AS lease (node, until) VALUES ($1, now() + $2 * interval '1 ms')
     ON CONFLICT (single) DO UPDATE SET node = excluded.node, until = excluded.until
     WHERE lease.node = excluded.node OR lease.until < now()`,
    [node, forMs]
  )
  return rowCount === 1
}

/** At a stop: lets another server take over at once. */
export async function giveLease(db: Pool, node: string): Promise<void> {
  await db.query('DELETE FROM problems_lease WHERE node = $1', [node])
}

export async function upsertProblems(db: Pool, rows: readonly ProblemRow[]): Promise<void> {
  await db.query(
    `INSERT INTO problems (charger, condition, cause, since, seen_at, told_at, closed_at)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[],
       $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
     ON CONFLICT (charger, condition) DO UPDATE SET cause = excluded.cause, since = excluded.since,
       seen_at = excluded.seen_at, told_at = excluded.told_at, closed_at = excluded.closed_at`,
    [
      rows.map(({ charger }) => charger),
      rows.map(({ condition }) => condition),
      rows.map(({ cause }) => cause),
      rows.map(({ sinceMs }) => timeOf(sinceMs)),
      rows.map(({ seenMs }) => timeOf(seenMs)),
      rows.map(({ toldMs }) => timeOf(toldMs)),
      rows.map(({ closedMs }) => timeOf(closedMs))
    ]
  )
}

export async function deleteProblems(db: Pool, rows: readonly ProblemRow[]): Promise<void> {
  await db.query(
    `DELETE FROM problems USING unnest($1::text[], $2::text[]) AS gone (charger, condition)
     WHERE problems.charger = gone.charger AND problems.condition = gone.condition`,
    [rows.map(({ charger }) => charger), rows.map(({ condition }) => condition)]
  )
}

const timeOf = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())
