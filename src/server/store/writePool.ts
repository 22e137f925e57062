// The database connections that write beside the ingest path: tokens, newest values, presence, problems and audit rows.

import pg from 'pg'
import { writeConnectionsMax } from './limits.ts'

export function openWritePool(databaseUrl: string, lost: (error: Error) => void): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'chargelift server',
    max: writeConnectionsMax,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000
  })
  pool.on('error', lost)
  return pool
}
