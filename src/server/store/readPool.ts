// The database connections of everything that only reads: API and exports. A pool of its own, small, whose sessions can change
// nothing and give up what takes too long: so reading never takes a connection from storing, and never holds one for ever.
// With --read-database-url on a replica, which lags by what it has not got yet.

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
    // Not as start parameters: these would not pass every connection pooler.
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
