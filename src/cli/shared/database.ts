// Opens the database for a command that works beside a server: the database of --database-url, or the embedded database
// of --data-dir.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { readFault } from '../../model/fileFaults.ts'
import { parseServerConfig, type ServerConfig } from '../../server/config.ts'

/** The flags that select the database. */
export const databaseOptions = {
  'database-url': { type: 'string', expected: 'postgres://user:password@host:port/database' },
  'data-dir': { type: 'string', expected: 'a folder' }
} as const

export const databaseOptionsHelp = `  --database-url URL   the database (DATABASE_URL); absent = the embedded database of --data-dir,
                       whose server must be running
  --data-dir DIR       the folder of the embedded database (./data)`

/**
 * Reads the given flags with the server's own parser. Returns undefined when there are faults, and adds them to
 * `faults`.
 */
export function serverConfigOf(
  values: Readonly<Record<string, unknown>>,
  flags: readonly string[],
  faults: ConfigFault[]
): ServerConfig | undefined {
  const given = flags.flatMap(flag => (values[flag] === undefined ? [] : [`--${flag}`, String(values[flag])]))
  try {
    return parseServerConfig(given)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    faults.push(...error.faults)
    return undefined
  }
}

/**
 * Opens the database and checks that it has the table. Throws ConfigError when there is no database or no such table.
 */
export async function withDatabase(
  { databaseUrl, dataDir }: Pick<ServerConfig, 'databaseUrl' | 'dataDir'>,
  table: string,
  use: (db: pg.Pool, databaseUrl: string) => Promise<void>
): Promise<void> {
  const url = databaseUrl ?? embeddedUrl(dataDir)
  const db = new pg.Pool({ connectionString: url, max: 3, connectionTimeoutMillis: 10_000 })
  db.on('error', () => {}) // the pending query reports it
  try {
    await checkDatabase(db, table)
    await use(db, url)
  } finally {
    await db.end()
  }
}

/** The URL of the embedded database. Throws ConfigError when `dataDir` holds no database. */
export function embeddedUrl(dataDir: string): string {
  const file = join(dataDir, 'database.url')
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new ConfigError([isMissing ? noDatabase(file) : readFault(file, cause, '--data-dir')], { cause })
  }
}

function noDatabase(file: string): ConfigFault {
  const expected = 'postgres://user:password@host:port/database, or a --data-dir with an embedded database'
  const sentence = `No database: --database-url is not given, and ${file} does not exist.`
  return { path: '--database-url', expected, found: `nothing, and no ${file}`, sentence }
}

async function checkDatabase(db: pg.Pool, table: string): Promise<void> {
  try {
    await db.query(`SELECT FROM ${table} LIMIT 1`)
  } catch (cause) {
    const expected =
      'a database that answers, and that a server of this version has used (an embedded one runs while its server runs)'
    throw new ConfigError([{ path: '--database-url', expected, found: (cause as Error).message }], { cause })
  }
}
