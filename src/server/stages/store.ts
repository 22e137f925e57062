// The second stage: the database, and what is read from it and written behind: tokens, newest values, edge connections
// and audit rows. Waits for a database that is away.

import type { Pool } from 'pg'
import type { Engine } from '../../ingest/migrate.ts'
import { atMost } from '../../model/atMost.ts'
import { isLoopbackHost } from '../access/loopback.ts'
import { TokenCache } from '../access/tokenCache.ts'
import { stopRestMs } from '../limits.ts'
import { ConnectionWriter } from '../store/connections.ts'
import { LatestWriter } from '../store/latest.ts'
import { openWritePool } from '../store/writePool.ts'
import { openDatabase } from './database.ts'
import type { Front } from './front.ts'
import { type Startup, whenDatabaseAnswers } from './startup.ts'

export interface Store {
  readonly databaseUrl: string
  readonly engine: Engine
  readonly db: Pool
  readonly latest: LatestWriter
  readonly connections: ConnectionWriter
}

const real = { database: openDatabase, pool: openWritePool }

/** Throws ConfigError for a database that cannot be used. */
export async function openStore(
  startup: Startup,
  { audit, serving }: Pick<Front, 'audit' | 'serving'>,
  open = real
): Promise<Store> {
  const { log, lifetime } = startup
  const { databaseUrl, engine } = await open.database(startup)
  const db = open.pool(databaseUrl, ({ message }) =>
    log.warn({ event: 'database_connection_lost', reason: message }, 'database connection lost')
  )
  lifetime.owns(() => atMost(stopRestMs, db.end()))
  const tokenCache = await whenDatabaseAnswers(startup, () => openTokenCache(db, startup))
  serving.tokenCache = tokenCache
  lifetime.owns(() => tokenCache.close())
  audit.storeIn(db)
  const latest = new LatestWriter(db, ({ message }) =>
    log.warn({ event: 'latest_failed', reason: message }, 'latest readings not written')
  )
  const connections = new ConnectionWriter(db, ({ message }) =>
    log.warn({ event: 'connections_failed', reason: message }, 'edge connections not written')
  )
  lifetime.owns(() => atMost(stopRestMs, Promise.all([latest.close(), connections.close(), audit.close()])))
  return { databaseUrl, engine, db, latest, connections }
}

async function openTokenCache(db: Pool, { config, log }: Startup): Promise<TokenCache> {
  const tokenCache = await TokenCache.open(db, ({ message }) =>
    log.warn({ event: 'tokens_failed', reason: message }, 'tokens not read; the known ones stay in force')
  )
  if (!tokenCache.isGuarded && !isLoopbackHost(config.httpHost)) {
    const reason = 'there is no token yet: make one with "chargelift tokens add NAME"'
    log.warn({ event: 'no_tokens', reason }, 'no client can use the HTTP port')
  }
  return tokenCache
}
