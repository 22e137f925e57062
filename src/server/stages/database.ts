// The database of a server, or of several processes: embedded where no other is configured, and its tables up to date.

import { type Engine, migrateDatabase } from '../../ingest/migrate.ts'
import { embeddedKillMs } from '../limits.ts'
import { startEmbeddedDatabase } from '../store/embeddedDatabase.ts'
import { type Startup, whenDatabaseAnswers } from './startup.ts'

const real = { embedded: startEmbeddedDatabase, migrate: (url: string): Promise<Engine> => migrateDatabase(url) }

/** Waits for a database that is away. Throws ConfigError for one that cannot be used. */
export async function openDatabase(startup: Startup, open = real): Promise<{ databaseUrl: string; engine: Engine }> {
  const { config, log, lifetime } = startup
  const restarted = (reason: string): void =>
    log.error({ event: 'database_ended', reason }, 'the embedded database ended, starting it again')
  const embedded = config.databaseUrl === undefined ? await open.embedded(config.dataDir, restarted) : undefined
  if (embedded) lifetime.owns(leftMs => embedded.stop(leftMs - embeddedKillMs))
  const databaseUrl = embedded?.url ?? config.databaseUrl!
  const engine = await whenDatabaseAnswers(startup, () => open.migrate(databaseUrl))
  const { name, description, risks } = engine
  for (const risk of risks)
    log.warn({ event: 'database_risk', reason: risk }, 'the database may lose what is acknowledged')
  log.info(
    { event: 'database_ready', engine: name, version: description, urlFile: embedded?.urlFile },
    'database ready'
  )
  return { databaseUrl, engine }
}
