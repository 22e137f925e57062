// The database connections of everything that only reads: API and exports. The pool is small, its sessions can change
// nothing, and long statements are given up. So reading never takes a connection from storing, and never holds one for
// ever. With --read-database-url it reads from a replica, which lags a little.

import pg from 'pg'
import { readConnectionsMax, readStatementTimeoutMs } from './limits.ts'

export function openReadPool(databaseUrl: string, lost: (error: Error) => void): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'chargelift reader',
    max: readConnectionsMax,
    connectionTimeoutMillis: 5_000,
    query_timeout: readStatementTimeoutMs + 5_000, // for a server that does not even refuse
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // Set by statement: not every connection pooler passes start parameters.
    onConnect: async client => {
      await client.query(sessionSettings)
    }
  })
  pool.on('error', lost)
  return pool
}

const sessionSettings = `
  SET default_transaction_read_only = on;
  SET statement_timeout = ${readStatementTimeoutMs};
  SET TimeZone = 'UTC';
`
