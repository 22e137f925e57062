// The database of a command that works beside a server: that of --database-url, or the embedded one of --data-dir.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { readFault } from '../../model/fileFaults.ts'
import { parseServerConfig, type ServerConfig } from '../../server/config.ts'

/** The flags that say which database. */
export const databaseOptions = {
  'database-url': { type: 'string', expected: 'postgres://user:password@host:port/database' },
  'data-dir': { type: 'string', expected: 'a folder' }
} as const

export const databaseOptionsHelp = `  --database-url URL   the database (DATABASE_URL); absent = the embedded database of --data-dir,
                       whose server must be running
  --data-dir DIR       the folder of the embedded database (./data)`

/** The server's own reading of those of its flags that were given. Faults are collected; then undefined. */
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

/** Throws ConfigError when there is no database, or none that has the table. */
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

/** Throws ConfigError when there is none under `dataDir`. */
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
