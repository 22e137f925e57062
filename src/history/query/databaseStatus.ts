// Reports what a database contains and its condition, for `chargelift db status` and the metrics. It only reads. It
// asks the engine for its features, and assumes nothing about a version or a licence.

import { kindOfQuarterHours, type QuarterHours } from '../derive/quarterHours.ts'
import type { Queryable } from '../queryable.ts'

export interface DatabaseStatus {
  readonly schemaVersion: number
  readonly hypertable: boolean
  /** Compression of old days. Undefined: this engine or its licence has none. */
  readonly columnstore: { readonly afterDays: number | undefined } | undefined
  readonly quarterHours: QuarterHours
  readonly relations: readonly RelationSize[]
  /** The days of `ev_readings`. A day is a chunk or a partition. */
  readonly days: { readonly count: number; readonly oldest: Date | undefined; readonly newest: Date | undefined }
  /** The figures of the compressed days. Undefined: no day is compressed. */
  readonly compression:
    | { readonly days: number; readonly bytesBefore: number; readonly bytesAfter: number; readonly ratio: number }
    | undefined
  readonly jobs: readonly BackgroundJob[]
  readonly maintenance: MaintenanceStatus
}

export interface RelationSize {
  readonly name: string
  readonly bytes: number
  /** The planner's estimate. Undefined: the planner has none. */
  readonly rows: number | undefined
}

/** A background job of TimescaleDB. `relation` is empty where the job belongs to none of our tables. */
export interface BackgroundJob {
  readonly id: number
  readonly name: string
  readonly relation: string
  readonly lastStatus: string | undefined
  readonly lastRun: Date | undefined
  readonly runs: number
  readonly failures: number
  readonly lastError: string | undefined
}

export interface MaintenanceStatus {
  readonly ranAt: Date | undefined
  readonly tookMs: number | undefined
  readonly node: string | undefined
  readonly failure: string | undefined
  /** Rows that were committed before this time are in quarter hours and sessions. */
  readonly derivedTo: Date | undefined
  /** Raw rows before this time were dropped. Undefined: no rows were dropped. */
  readonly rawFrom: Date | undefined
  readonly changesWaiting: number
}

export async function databaseStatus(db: Queryable): Promise<DatabaseStatus> {
  const hypertable = await isHypertable(db)
  const quarterHours = await kindOfQuarterHours(db)
  return {
    schemaVersion: await schemaVersion(db),
    hypertable,
    columnstore: hypertable ? await columnstore(db) : undefined,
    quarterHours,
    relations: await relations(db, hypertable, quarterHours),
    days: hypertable ? await chunks(db) : await partitions(db),
    compression: hypertable ? await compression(db) : undefined,
    jobs: await backgroundJobs(db),
    maintenance: await maintenanceStatus(db)
  }
}

async function one<Row extends Record<string, unknown>>(db: Queryable, sql: string): Promise<Row> {
  const { rows } = await db.query<Row>(sql)
  return rows[0]!
}

const isHypertable = async (db: Queryable): Promise<boolean> =>
  (
    await one<{ yes: boolean }>(
      db,
      "SELECT NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'ev_readings'::regclass) AS yes"
    )
  ).yes

const schemaVersion = async (db: Queryable): Promise<number> =>
  (await one<{ version: number }>(db, 'SELECT max(version) AS version FROM schema_migrations')).version

async function columnstore(db: Queryable): Promise<DatabaseStatus['columnstore']> {
  const { on, seconds } = await one<{ on: boolean; seconds: number | null }>(
    db,
    `SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
         WHERE hypertable_name = 'ev_readings' AND compression_enabled) AS on,
       (SELECT extract(epoch FROM (config->>'compress_after')::interval)::float8 FROM timescaledb_information.jobs
         WHERE hypertable_name = 'ev_readings' AND config ? 'compress_after' LIMIT 1) AS seconds`
  )
  return on ? { afterDays: seconds === null ? undefined : seconds / 86_400 } : undefined
}

const tables = ['chargers', 'rejected_messages', 'latest_readings', 'history_changes', 'audit_events']

async function relations(db: Queryable, hypertable: boolean, quarterHours: QuarterHours): Promise<RelationSize[]> {
  const sized = (name: string, isHyper: boolean): string =>
    isHyper
      ? `SELECT '${name}' AS name, hypertable_size('${name}')::float8 AS bytes, approximate_row_count('${name}')::float8 AS rows`
      : `SELECT '${name}' AS name, sum(pg_total_relation_size(oid))::float8 AS bytes, sum(greatest(reltuples, 0))::float8 AS rows
         FROM pg_class WHERE oid = '${name}'::regclass OR oid IN (SELECT relid FROM pg_partition_tree('${name}'))`
  const { rows } = await db.query<{ name: string; bytes: number; rows: number | null }>(
    [
      sized('ev_readings', hypertable),
      sized('quarter_hours', quarterHours === 'continuous aggregate'),
      ...tables.map(name => sized(name, false))
    ].join(' UNION ALL ')
  )
  return rows.map(({ name, bytes, rows: count }) => ({ name, bytes, rows: count ?? undefined }))
}

type Days = { count: number; oldest: Date | null; newest: Date | null }
const known = ({ count, oldest, newest }: Days): DatabaseStatus['days'] => ({
  count,
  oldest: oldest ?? undefined,
  newest: newest ?? undefined
})

const chunks = async (db: Queryable): Promise<DatabaseStatus['days']> =>
  known(
    await one<Days>(
      db,
      `SELECT count(*)::integer AS count, min(range_start) AS oldest, max(range_start) AS newest
       FROM timescaledb_information.chunks WHERE hypertable_name = 'ev_readings'`
    )
  )

const partitions = async (db: Queryable): Promise<DatabaseStatus['days']> =>
  known(
    await one<Days>(
      db,
      `SELECT count(*)::integer AS count, min(day) AS oldest, max(day) AS newest
       FROM (SELECT to_date(right(relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS day
             FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
             WHERE inhparent = 'ev_readings'::regclass AND relname ~ '^ev_readings_\\d{8}$') days`
    )
  )

async function compression(db: Queryable): Promise<DatabaseStatus['compression']> {
  const { days, before, after } = await one<{ days: number | null; before: number | null; after: number | null }>(
    db,
    `SELECT number_compressed_chunks::integer AS days, before_compression_total_bytes::float8 AS before,
       after_compression_total_bytes::float8 AS after
     FROM hypertable_compression_stats('ev_readings') UNION ALL SELECT NULL, NULL, NULL LIMIT 1`
  )
  if (!days || !before || !after) return undefined
  return { days, bytesBefore: before, bytesAfter: after, ratio: before / after }
}

/** All background jobs of this database, failed or not. Empty where TimescaleDB is not installed. */
export async function backgroundJobs(db: Queryable): Promise<BackgroundJob[]> {
  const { installed } = await one<{ installed: boolean }>(
    db,
    "SELECT to_regclass('timescaledb_information.job_stats') IS NOT NULL AS installed"
  )
  if (!installed) return []
  const { rows } = await db.query<{
    id: number
    name: string
    relation: string | null
    status: string | null
    last_run: Date | null
    runs: number | null
    failures: number | null
    error: string | null
  }>(
    `SELECT job.job_id AS id, job.proc_name AS name, job.hypertable_name AS relation, stats.last_run_status AS status,
       nullif(stats.last_run_started_at, '-infinity') AS last_run,
       stats.total_runs::integer AS runs, stats.total_failures::integer AS failures,
       (SELECT err_message FROM timescaledb_information.job_errors e WHERE e.job_id = job.job_id
        ORDER BY finish_time DESC LIMIT 1) AS error
     FROM timescaledb_information.jobs job LEFT JOIN timescaledb_information.job_stats stats USING (job_id)
     ORDER BY job.job_id`
  )
  return rows.map(row => ({
    id: row.id,
    name: row.name,
    relation: row.relation ?? '',
    lastStatus: row.status ?? undefined,
    lastRun: row.last_run ?? undefined,
    runs: row.runs ?? 0,
    failures: row.failures ?? 0,
    lastError: row.error ?? undefined
  }))
}

/** The jobs on our tables whose newest run failed. A metric counts them. */
export const failedJobs = async (db: Queryable): Promise<BackgroundJob[]> =>
  (await backgroundJobs(db)).filter(({ relation, lastStatus }) => relation !== '' && lastStatus === 'Failed')

async function maintenanceStatus(db: Queryable): Promise<MaintenanceStatus> {
  const row = await one<{
    ran_at: Date | null
    took_ms: number | null
    node: string | null
    failure: string | null
    derived_to: Date | null
    raw_from: Date | null
    waiting: number
  }>(
    db,
    `SELECT ran_at, took_ms, node, failure, derived_to, nullif(raw_from, '-infinity') AS raw_from,
       (SELECT count(*)::integer FROM history_changes) AS waiting FROM history_state`
  )
  return {
    ranAt: row.ran_at ?? undefined,
    tookMs: row.took_ms ?? undefined,
    node: row.node ?? undefined,
    failure: row.failure ?? undefined,
    derivedTo: row.derived_to ?? undefined,
    rawFrom: row.raw_from ?? undefined,
    changesWaiting: row.waiting
  }
}
