// Migrates a database to this program's schema: numbered forward-only migrations from sql/, one transaction each, under
// an advisory lock. Refuses a database that is newer than the program. Uses TimescaleDB where it is available.

import { Client } from 'pg'
import { assetNames, readAssetText } from '../model/assets.ts'
import { ConfigError, RetryableError } from '../model/errors.ts'
import { advisoryLocks } from '../model/server/advisoryLocks.ts'
import { sqlState, verdictOf } from './retry.ts'

/** The part of a client that a migration needs. The text may hold several statements when there are no values. */
export interface MigrationClient {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

export interface Engine {
  readonly name: 'TimescaleDB hypertable' | 'plain PostgreSQL partitions'
  /** For example `TimescaleDB 2.28.3 (timescale licence) on PostgreSQL 15.20`. */
  readonly description: string
  readonly hypertable: boolean
  /** Settings of the database under which a power cut may lose a commit, and so a PUBACK. */
  readonly risks: readonly string[]
}

export function readMigrations(): Migration[] {
  return assetNames('sql')
    .filter(file => /^\d{6}_.*\.sql$/.test(file))
    .map(file => ({ version: Number(file.slice(0, 6)), name: file.slice(7, -4), sql: readSql(file) }))
}

const readSql = (file: string): string => readAssetText(`sql/${file}`)

/** Migrates the database at `databaseUrl`, and returns its engine and schema version. */
export async function migrateDatabase(databaseUrl: string): Promise<Engine & { readonly version: number }> {
  await tryToInstallTimescale(databaseUrl)
  return withClient(databaseUrl, async db => {
    await refuseOtherEncodings(db)
    const migrations = readMigrations()
    await migrate(db, migrations)
    await makePartitions(db)
    return { ...(await describeEngine(db)), version: migrations.at(-1)!.version }
  })
}

/**
 * Refuses a database whose encoding is not UTF8. A charger's text that the database cannot hold would stop its lane
 * forever.
 */
async function refuseOtherEncodings(db: MigrationClient): Promise<void> {
  const { rows } = await db.query("SELECT current_setting('server_encoding') AS encoding")
  if (rows[0]?.encoding !== 'UTF8') throw fault('a database with encoding UTF8', String(rows[0]?.encoding))
}

/** Applies the missing migrations, in order. Idempotent, and safe to run from several servers at once. */
export async function migrate(db: MigrationClient, migrations: readonly Migration[]): Promise<void> {
  await db.query('SELECT pg_advisory_lock($1)', [advisoryLocks.migrations])
  try {
    await db.query(`CREATE TABLE IF NOT EXISTS schema_migrations
      (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`)
    const { rows } = await db.query('SELECT COALESCE(max(version), 0)::integer AS version FROM schema_migrations')
    const current = Number(rows[0]?.version)
    const newest = migrations.at(-1)?.version ?? 0
    if (current > newest) {
      const found = `version ${current}: it was made by a newer chargelift, use that one`
      throw fault(`a database schema of version ${newest} or older`, found)
    }
    for (const migration of migrations) if (migration.version > current) await apply(db, migration)
    await db.query(readSql('always_columnstore.sql'))
  } finally {
    await db.query('SELECT pg_advisory_unlock($1)', [advisoryLocks.migrations])
  }
}

async function apply(db: MigrationClient, { version, name, sql }: Migration): Promise<void> {
  await db.query('BEGIN')
  try {
    await db.query(sql)
    await db.query('INSERT INTO schema_migrations (version, name) VALUES ($1, $2)', [version, name])
    await db.query('COMMIT')
  } catch (error) {
    await db.query('ROLLBACK')
    throw error
  }
}

const partitionDaysBack = 1
const partitionDaysAhead = 7

/**
 * Makes the daily partitions around today. On a hypertable there is nothing to do. Call this at the start and at least
 * daily.
 */
export async function makePartitions(db: MigrationClient): Promise<void> {
  await db.query(
    `SELECT ensure_ev_readings_partitions(
      (now() AT TIME ZONE 'UTC')::date - ${partitionDaysBack},
      (now() AT TIME ZONE 'UTC')::date + ${partitionDaysAhead})`
  )
}

export async function describeEngine(db: MigrationClient): Promise<Engine> {
  const { rows } = await db.query(`
    SELECT current_setting('server_version') AS postgres, current_setting('timescaledb.license', true) AS licence,
      (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescale,
      current_setting('fsync') = 'off' AS no_fsync, current_setting('full_page_writes') = 'off' AS no_full_pages,
      NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'ev_readings'::regclass) AS hypertable`)
  const { postgres, licence, timescale, hypertable, no_fsync, no_full_pages } = rows[0]!
  const risks = [
    ...(no_fsync ? ['fsync = off: a power cut of the database loses what was acknowledged; set fsync = on'] : []),
    ...(no_full_pages ? ['full_page_writes = off: a power cut may tear pages; set full_page_writes = on'] : [])
  ]
  const server = `PostgreSQL ${String(postgres).split(' ')[0]}`
  return hypertable
    ? {
        name: 'TimescaleDB hypertable',
        description: `TimescaleDB ${timescale} (${licence} licence) on ${server}`,
        hypertable: true,
        risks
      }
    : { name: 'plain PostgreSQL partitions', description: server, hypertable: false, risks }
}

/**
 * Uses a connection of its own, because CREATE EXTENSION ends the session where the library is not preloaded. A failure
 * here is no fault: without rights or library, the plain engine is used.
 */
async function tryToInstallTimescale(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, async db => {
    const { rows } = await db.query(`
      SELECT FROM pg_available_extensions
      WHERE name = 'timescaledb' AND installed_version IS NULL AND to_regclass('ev_readings') IS NULL`)
    if (rows.length > 0) await db.query('CREATE EXTENSION IF NOT EXISTS timescaledb').catch(() => {})
  })
}

async function withClient<T>(databaseUrl: string, use: (db: Client) => Promise<T>): Promise<T> {
  const db = new Client({
    connectionString: databaseUrl,
    application_name: 'chargelift migrate',
    connectionTimeoutMillis: 10_000
  })
  db.on('error', () => {}) // the pending query reports the error
  try {
    await db.connect()
    return await use(db)
  } catch (error) {
    throw startFault(error as Error)
  } finally {
    await db.end().catch(() => {})
  }
}

// Faults that waiting does not mend: authorization (28), no such database (3D), foreign tables or no right to make our
// tables (42), a PostgreSQL that is too old (42, 0A).
const operatorsFault = /^(28|3D|42|0A)/

/**
 * ConfigError for a fault that the operator must mend, RetryableError for a database that is away or busy. All other
 * errors stay as they are.
 */
export function startFault(error: Error): Error {
  if (error instanceof ConfigError || error instanceof RetryableError) return error
  const code = sqlState(error)
  if (code !== undefined && operatorsFault.test(code)) {
    return fault('a database in which chargelift may make its tables', `${error.message} (SQLSTATE ${code})`)
  }
  if (code === undefined || verdictOf(error) === 'retry') {
    return new RetryableError('database_away', `expected a database that answers, found: ${error.message}`, {
      cause: error
    })
  }
  return error
}

const fault = (expected: string, found: string): ConfigError =>
  new ConfigError([{ path: '--database-url', expected, found }])
