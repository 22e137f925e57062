// The database of a server without DATABASE_URL: a PostgreSQL from npm, in a folder, on a loopback port of its own. A
// server that was killed leaves its PostgreSQL running, and the next start adopts it. If PostgreSQL ends while it is
// needed, it is started again on the same port. A stop ends it in every case.

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { stopTotalMs } from '../limits.ts'
import { freePort } from '../ports.ts'
import { dataDirFault, lockDataDir, prepareDataDir } from './dataDir.ts'
import { type Binaries, exitCodeOf, findBinaries, isPostgresOf, run, stopPostgresOf } from './postgresProcess.ts'

export interface EmbeddedDatabase {
  readonly url: string
  /** A file with the URL for psql, readable by its owner alone. */
  readonly urlFile: string
  /** Stops in an orderly way within `withinMs`, else as in a crash, from which the next start recovers. */
  stop(withinMs?: number): Promise<void>
}

/** Paths of one embedded database. */
interface Place {
  readonly dataDir: string
  readonly folder: string
  readonly logFile: string
  readonly urlFile: string
}

interface Postmaster {
  readonly pid: number
  readonly port: number
}

const user = 'chargelift'
const startTimeoutMs = 30_000
const watchIntervalMs = 500

/**
 * Starts the PostgreSQL in `dataDir`/postgres, which the first start makes. Throws ConfigError when it cannot run here.
 */
export async function startEmbeddedDatabase(
  dataDir: string,
  ended: (reason: string) => void = () => {}
): Promise<EmbeddedDatabase> {
  prepareDataDir(dataDir)
  const unlock = lockDataDir(dataDir)
  try {
    const at = (name: string): string => join(dataDir, name)
    const place = { dataDir, folder: at('postgres'), logFile: at('postgres.log'), urlFile: at('database.url') }
    const binaries = await findBinaries()
    if (!existsSync(join(place.folder, 'PG_VERSION'))) await initialize(binaries, place)
    const postmaster = (await adopt(place)) ?? (await launch(binaries, place, await freePort()))
    const stop = keepAlive(binaries, place, postmaster, ended)
    return {
      url: urlAt(place, postmaster.port),
      urlFile: place.urlFile,
      async stop(withinMs = stopTotalMs) {
        await stop(withinMs)
        unlock()
      }
    }
  } catch (error) {
    unlock()
    throw error
  }
}

/** Works in a folder of another name first, so that a killed initdb leaves nothing that looks like a database. */
async function initialize({ initdb }: Binaries, { folder, logFile, urlFile }: Place): Promise<void> {
  const unfinished = `${folder}.new`
  const data = join(unfinished, 'data')
  const passwordFile = join(unfinished, 'password')
  const password = randomBytes(18).toString('base64url')
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  const options = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', `--pwfile=${passwordFile}`]
  const code = await exitCodeOf(await run(initdb, ['-D', data, '-U', user, ...options], unfinished, logFile))
  if (code !== 0) throw dataDirFault('initdb to make a database', tail(logFile))
  writeFileSync(urlFile, urlOf(password, 5432), { mode: 0o600 })
  renameSync(data, folder)
  rmSync(unfinished, { recursive: true })
}

async function launch({ postgres }: Binaries, place: Place, port: number): Promise<Postmaster> {
  const { folder, logFile } = place
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    max_wal_size: '4GB',
    jit: 'off'
  }
  const args = ['-D', folder, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  const child = await run(postgres, args, folder, logFile)
  child.unref()
  writeFileSync(place.urlFile, `${urlAt(place, port)}\n`, { mode: 0o600 })
  const isThere = (): boolean => child.exitCode === null
  if (!(await untilItAnswers(urlAt(place, port), isThere)))
    throw dataDirFault(`an embedded PostgreSQL that starts in ${folder}`, tail(logFile))
  return { pid: child.pid!, port }
}

/**
 * The postmaster that a killed server left running. A pid file that names another process is stale, and would keep
 * PostgreSQL from starting. It is removed.
 */
async function adopt(place: Place): Promise<Postmaster | undefined> {
  const pidFile = join(place.folder, 'postmaster.pid')
  if (!existsSync(pidFile)) return undefined
  const lines = readFileSync(pidFile, 'utf8').split('\n')
  const [pid, port] = [Number(lines[0]), Number(lines[3])]
  if (!isPostgresOf(place.folder, pid)) {
    rmSync(pidFile)
    return undefined
  }
  // A server that was killed during its stop may have stopped this postmaster already. Then it ends, and another is
  // started.
  const isThere = (): boolean => isPostgresOf(place.folder, pid)
  if (!(await untilItAnswers(urlAt(place, port), isThere))) return undefined
  writeFileSync(place.urlFile, `${urlAt(place, port)}\n`, { mode: 0o600 })
  return { pid, port }
}

/** Starts PostgreSQL again when it ends. Returns how to stop. */
function keepAlive(
  binaries: Binaries,
  place: Place,
  first: Postmaster,
  ended: (reason: string) => void
): (withinMs: number) => Promise<void> {
  let { pid } = first
  let starting: Promise<void> | undefined
  const restart = async (): Promise<void> => {
    try {
      ended(tail(place.logFile))
      pid = (await launch(binaries, place, first.port)).pid
    } catch (error) {
      ended((error as Error).message) // tried again at the next look
    } finally {
      starting = undefined
    }
  }
  const timer = setInterval(() => {
    if (!isPostgresOf(place.folder, pid)) starting ??= restart()
  }, watchIntervalMs).unref()
  return async withinMs => {
    clearInterval(timer)
    await starting
    await stopPostgresOf(place.folder, pid, withinMs)
  }
}

/** False when the process ends instead. Throws ConfigError when it takes too long. */
async function untilItAnswers(url: string, isThere: () => boolean): Promise<boolean> {
  for (const deadline = Date.now() + startTimeoutMs; isThere(); await sleep(50)) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return true
    } catch (error) {
      const { message } = error as Error
      if (Date.now() > deadline) throw dataDirFault('the embedded PostgreSQL to answer within 30 s', message)
    }
  }
  return false
}

/** The last lines of a log file. */
const tail = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8').slice(-2_000).trim() : '')

const urlOf = (password: string, port: number): string => `postgres://${user}:${password}@127.0.0.1:${port}/postgres`

const urlAt = ({ urlFile }: Place, port: number): string =>
  urlOf(new URL(readFileSync(urlFile, 'utf8').trim()).password, port)
