// `chargelift db status|migrate`: shows the state of the database, and migrates it to the schema of this program.

import type pg from 'pg'
import { type DatabaseStatus, databaseStatus } from '../../history/query/databaseStatus.ts'
import { describeEngine, type Engine, migrateDatabase } from '../../ingest/migrate.ts'
import { ConfigError, type ConfigFault, RetryableError } from '../../model/errors.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, embeddedUrl, serverConfigOf, withDatabase } from '../shared/database.ts'
import { helpOf, readNoun, refuseMore } from '../shared/noun.ts'
import { dbHelp } from './help.ts'

const noun = {
  name: 'db',
  actions: ['status', 'migrate'],
  flags: { json: { type: 'boolean' }, ...databaseOptions },
  only: { json: ['status'] }
} as const

export const help = (args: readonly string[]): string => helpOf(noun.name, dbHelp, args)

interface Flags {
  readonly action: 'status' | 'migrate'
  readonly json: boolean
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function run(args: readonly string[]): Promise<void> {
  const { action, json, server } = readFlags(args)
  if (action === 'migrate') return migrate(server)
  await withDatabase(server, 'history_state', async db => {
    const engine = await describeEngine(db)
    const status = await databaseStatus(db)
    if (json) print(JSON.stringify({ engine: engine.description, ...status }))
    else for (const line of linesOf(engine, status, await settingsOf(db))) print(line)
  })
}

async function migrate({ databaseUrl, dataDir }: ServerConfig): Promise<void> {
  const url = databaseUrl ?? embeddedUrl(dataDir)
  try {
    const { description, version } = await migrateDatabase(url)
    print(`schema version ${version} on ${description}`)
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error
    const expected = 'a database that answers (an embedded one runs while its server runs)'
    throw new ConfigError([{ path: '--database-url', expected, found: error.message }], { cause: error })
  }
}

const settingNames = ['synchronous_commit', 'fsync', 'full_page_writes', 'synchronous_standby_names', 'max_connections']

async function settingsOf(db: pg.Pool): Promise<string> {
  const { rows } = await db.query<{ name: string; setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY ($1) ORDER BY name',
    [settingNames]
  )
  return rows.map(({ name, setting }) => `${name} = ${setting || "''"}`).join(', ')
}

/** The status as lines for people. */
function linesOf(engine: Engine, status: DatabaseStatus, settings: string): string[] {
  const { columnstore, compression, days, maintenance } = status
  const lines: [string, string][] = [
    ['engine', engine.description],
    ['schema', `version ${status.schemaVersion}`],
    ['readings', status.hypertable ? 'TimescaleDB hypertable by day' : 'native partitions by day'],
    ['columnstore', columnstoreLine(status)],
    ['quarter hours', `${status.quarterHours}${status.quarterHours === 'table' ? ' filled by maintenance' : ''}`],
    ['days', days.count === 0 ? 'none' : `${days.count}, ${dayOf(days.oldest)} to ${dayOf(days.newest)}`]
  ]
  if (columnstore) {
    const line = compression
      ? `${compression.days} of ${days.count} days, ${sizeOf(compression.bytesBefore)} became ` +
        `${sizeOf(compression.bytesAfter)}: ${compression.ratio.toFixed(1)} to 1`
      : 'no day yet'
    lines.push(['compressed', line])
  }
  lines.push([
    'raw rows',
    maintenance.rawFrom ? `those before ${iso(maintenance.rawFrom)} were dropped` : 'all are kept'
  ])
  for (const { name, bytes, rows } of status.relations) {
    const count = rows === undefined ? '' : `, about ${Math.round(rows).toLocaleString('en')} rows`
    lines.push([`size of ${name}`, `${sizeOf(bytes)}${count}`])
  }
  lines.push(['settings', settings])
  for (const risk of engine.risks) lines.push(['risk', risk])
  for (const { id, name, relation, lastStatus, runs, failures, lastError } of status.jobs) {
    if (relation === '') continue
    const fault = failures === 0 ? '' : `, newest fault: ${lastError ?? 'not known'}`
    lines.push([
      `job ${id}`,
      `${name} on ${relation}: ${lastStatus ?? 'not run yet'}, ${runs} runs, ${failures} failed${fault}`
    ])
  }
  lines.push(['maintenance', maintenanceLine(status)])
  return lines.map(([name, text]) => `${name.padEnd(26)} ${text}`)
}

function columnstoreLine({ hypertable, columnstore }: DatabaseStatus): string {
  if (!hypertable) return 'none: plain PostgreSQL has no compression of days'
  if (!columnstore) return 'none: the licence of this TimescaleDB does not have it'
  return columnstore.afterDays === undefined
    ? 'on, but no policy compresses'
    : `days older than ${columnstore.afterDays}`
}

function maintenanceLine({ maintenance }: DatabaseStatus): string {
  const { ranAt, tookMs, node, failure, derivedTo, changesWaiting } = maintenance
  if (ranAt === undefined) return 'not run yet: a server does it, a few seconds after its start'
  const outcome = failure === undefined ? 'done' : `FAILED: ${failure}`
  const until = derivedTo === undefined ? 'nothing is derived yet' : `derived until ${iso(derivedTo)}`
  return `${outcome} at ${iso(ranAt)} by ${node} in ${tookMs} ms, ${until}, ${changesWaiting} late changes wait`
}

const iso = (time: Date): string => time.toISOString()
const dayOf = (time: Date | undefined): string => time?.toISOString().slice(0, 10) ?? '?'

function sizeOf(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10))
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { action, command, values, words } = readNoun(noun, args, faults)
  refuseMore(command, words, faults)
  const server = serverConfigOf(values, Object.keys(databaseOptions), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return { action: action!, json: values.json ?? false, server: server! }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
