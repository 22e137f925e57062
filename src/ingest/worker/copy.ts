// The SQL statements of the ingest path, one exported function each. They run on the caller's connection and inside the
// caller's transaction. They never catch errors.

import { once } from 'node:events'
import type { Client } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { formatTime } from '../../model/wire/envelope.ts'
import type { Status } from './decode.ts'
import type { HistoryChange } from './historyChanges.ts'
import type { Row } from './row.ts'
import { encodeRows, readingColumns } from './rows.ts'

const columnList = readingColumns.join(', ')

/** The session settings of every ingest connection. Without TimescaleDB, its setting is a harmless placeholder. */
export const sessionSettings = (statementTimeoutMs: number): string => `
  SET synchronous_commit = on;
  SET statement_timeout = ${statementTimeoutMs};
  SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0;
  CREATE TEMP TABLE staged_readings
    (ordinal integer NOT NULL, LIKE ev_readings) ON COMMIT DELETE ROWS`

/** The ids of the chargers with these names. */
export async function selectChargerIds(db: Client, names: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await db.query<{ id: number; name: string }>('SELECT id, name FROM chargers WHERE name = ANY($1)', [
    names
  ])
  return new Map(rows.map(({ id, name }) => [name, id]))
}

/**
 * Inserts the chargers that do not exist. The names must be sorted, so that two lanes do not wait for each other
 * crosswise.
 */
export async function insertChargers(db: Client, names: readonly string[]): Promise<void> {
  await db.query('INSERT INTO chargers (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING', [names])
}

/** Optimistic: fails with 23505 when any row is already stored. */
export async function copyReadings(db: Client, rows: readonly Row[]): Promise<void> {
  await copyInto(db, `COPY ev_readings (${columnList}) FROM STDIN BINARY`, encodeRows(rows))
}

/** Replaces the staged rows with `rows`. The place of a row in the array is its ordinal. */
export async function stageReadings(db: Client, rows: readonly Row[]): Promise<void> {
  await db.query('DELETE FROM staged_readings')
  await copyInto(db, `COPY staged_readings (ordinal, ${columnList}) FROM STDIN BINARY`, encodeRows(rows, true))
}

async function copyInto(db: Client, sql: string, bytes: Buffer): Promise<void> {
  const copy = db.query(copyFrom(sql))
  copy.end(bytes)
  await once(copy, 'finish')
}

const valueColumns = valueSpecs.map(({ column }) => column)
const mergeSql = `
  INSERT INTO ev_readings AS stored (${columnList})
  SELECT ${columnList} FROM staged_readings ORDER BY charger_id, time
  ON CONFLICT (charger_id, time) DO UPDATE
  SET ${valueColumns.map(c => `${c} = COALESCE(stored.${c}, excluded.${c})`).join(', ')}
  WHERE ${valueColumns.map(c => `(stored.${c} IS NULL AND excluded.${c} IS NOT NULL)`).join(' OR ')}`

/** Stores the staged rows. A stored value wins over a staged one. Locks the rows that exist. */
export async function mergeStaged(db: Client): Promise<void> {
  await db.query(mergeSql)
}

/**
 * The stored values for each staged row, by ordinal, in the order of `valueSpecs`. Null where there is no value. The
 * bounds let the planner leave out the other days. LIMIT keeps the cost at one index look-up per row.
 */
export async function selectStaged(db: Client, rows: readonly Row[]): Promise<Map<number, (number | string | null)[]>> {
  const times = rows.map(({ timeUs }) => timeUs)
  const from = formatTime(times.reduce((a, b) => Math.min(a, b)))
  const to = formatTime(times.reduce((a, b) => Math.max(a, b)))
  const { rows: found } = await db.query<(number | string | null)[]>({
    rowMode: 'array',
    text: `
      SELECT staged.ordinal, found.*
      FROM staged_readings staged CROSS JOIN LATERAL (
        SELECT ${valueColumns.join(', ')} FROM ev_readings stored
        WHERE stored.charger_id = staged.charger_id AND stored.time = staged.time
          AND stored.time >= $1::timestamptz AND stored.time <= $2::timestamptz
        LIMIT 1) found`,
    values: [from, to]
  })
  return new Map(found.map(([ordinal, ...values]) => [ordinal as number, values]))
}

/** One row of `rejected_messages`. */
export interface RejectedMessage {
  readonly index: number
  readonly identity: string
  readonly topic: string
  readonly payload: Buffer
  readonly code: string
  readonly reason: string
}

/** Inserts each message once, however often its batch is tried. */
export async function insertRejected(
  db: Client,
  batchId: string,
  receivedAtMs: number,
  messages: readonly RejectedMessage[]
): Promise<void> {
  await db.query(
    `INSERT INTO rejected_messages (batch_id, message_index, received_at, identity, topic, payload, code, reason)
     SELECT $1, message_index, $2, identity, topic, payload, code, reason
     FROM unnest($3::integer[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[])
       AS m (message_index, identity, topic, payload, code, reason)
     ON CONFLICT (batch_id, message_index) DO NOTHING`,
    [
      batchId,
      new Date(receivedAtMs),
      messages.map(m => m.index),
      messages.map(m => m.identity),
      messages.map(m => m.topic),
      messages.map(m => m.payload),
      messages.map(m => m.code),
      messages.map(m => m.reason)
    ]
  )
}

/**
 * Notes the ranges that maintenance (history/derive/maintenance.ts) must derive again, once this transaction is
 * committed.
 */
export async function insertHistoryChanges(db: Client, changes: readonly HistoryChange[]): Promise<void> {
  await db.query(
    `INSERT INTO history_changes (charger_id, from_time, to_time)
     SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[])`,
    [changes.map(c => c.chargerId), changes.map(c => formatTime(c.fromUs)), changes.map(c => formatTime(c.toUs))]
  )
}

/** Stores the newest status of each charger. `statuses` has at most one status per charger, and is sorted by id. */
export async function upsertStatuses(db: Client, statuses: readonly Status[]): Promise<void> {
  await db.query(
    `INSERT INTO edge_status AS stored (charger_id, time, status)
     SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::jsonb[])
     ON CONFLICT (charger_id) DO UPDATE SET time = excluded.time, status = excluded.status
     WHERE excluded.time > stored.time`,
    [statuses.map(s => s.chargerId), statuses.map(s => formatTime(s.timeUs)), statuses.map(s => s.payload)]
  )
}
