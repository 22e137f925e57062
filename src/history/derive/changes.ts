// The SQL statements on `history_changes`, one function each. The table holds the ranges that must be derived again.
// The ingest worker inserts the ranges of late rows by its own statement (ingest/worker/copy.ts). Maintenance inserts
// the ranges that it could not derive. Only maintenance deletes.

import type { ClientBase } from 'pg'
import { historyChangesMax } from './limits.ts'
import type { ChargerRange } from './ranges.ts'

export interface Changes {
  readonly ids: readonly string[]
  readonly ranges: readonly ChargerRange[]
}

/** The oldest changes, except those of the chargers `exceptChargers`. */
export async function readChanges(db: ClientBase, exceptChargers: readonly number[]): Promise<Changes> {
  const { rows } = await db.query<{ id: string; charger_id: number; from_time: Date; to_time: Date }>(
    `SELECT id, charger_id, from_time, to_time FROM history_changes WHERE charger_id <> ALL ($1::integer[])
     ORDER BY id LIMIT $2`,
    [exceptChargers, historyChangesMax]
  )
  const ranges = rows.map(({ charger_id, from_time, to_time }) => ({
    chargerId: charger_id,
    fromMs: from_time.getTime(),
    toMs: to_time.getTime() + 1 // a time has microseconds, a Date only milliseconds
  }))
  return { ids: rows.map(({ id }) => id), ranges }
}

/** Deletes the changes that were read, and inserts the ranges that could not be derived. */
export async function settleChanges(
  db: ClientBase,
  ids: readonly string[],
  failed: readonly ChargerRange[]
): Promise<void> {
  await db.query('BEGIN')
  await db.query('DELETE FROM history_changes WHERE id = ANY ($1)', [ids])
  await noteChanges(db, failed)
  await db.query('COMMIT')
}

/**
 * A range that starts within another range of its charger, or at its end, extends that range. So a failure that lasts
 * for days is one row.
 */
export async function noteChanges(db: ClientBase, ranges: readonly ChargerRange[]): Promise<void> {
  if (ranges.length === 0) return
  await db.query(
    `WITH failed AS (
       SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) f (charger_id, from_time, to_time)
     ), extended AS (
       UPDATE history_changes c SET to_time = greatest(c.to_time, f.to_time) FROM failed f
       WHERE c.charger_id = f.charger_id AND f.from_time BETWEEN c.from_time AND c.to_time
       RETURNING f.charger_id, f.from_time
     )
     INSERT INTO history_changes (charger_id, from_time, to_time)
     SELECT * FROM failed WHERE (charger_id, from_time) NOT IN (TABLE extended)`,
    [
      ranges.map(({ chargerId }) => chargerId),
      ranges.map(({ fromMs }) => new Date(fromMs)),
      ranges.map(({ toMs }) => new Date(toMs - 1)) // the stored end is part of the range
    ]
  )
}

/** The chargers among `chargers` that have noted changes. */
export async function chargersWithChanges(db: ClientBase, chargers: readonly number[]): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    'SELECT DISTINCT charger_id AS id FROM history_changes WHERE charger_id = ANY ($1)',
    [chargers]
  )
  return rows.map(({ id }) => id)
}
