// The data folder of a server that keeps its data itself. It is made, checked and locked before anything is written to
// it.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError } from '../../model/errors.ts'

/** Throws ConfigError when `path` cannot be a folder that this process writes to. */
export function prepareDataDir(path: string): void {
  try {
    makeFolder(path)
    accessSync(path, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw dataDirFault('a folder that can be written to', `${path}: ${(error as Error).message}`)
  }
}

/** Makes one level at a time, because Node's recursive mkdir never returns below /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw new Error('it is a file')
    return
  }
  makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

/**
 * Locks the folder: two servers in one folder would adopt, and then stop, each other's database. Returns how to unlock.
 * Throws ConfigError.
 */
export function lockDataDir(dataDir: string): () => void {
  const path = join(dataDir, 'server.lock')
  const owner = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const pid = Number(owner.split(' ')[0])
  if (pid > 0 && pid !== process.pid && owner === birthOf(pid)) {
    throw dataDirFault('a folder that no other server uses', `${dataDir} in use by process ${pid}; choose another`)
  }
  writeFileSync(path, birthOf(process.pid) ?? '')
  return () => rmSync(path, { force: true })
}

/**
 * Number and start time of a process, because a number alone is soon used again. Undefined when there is no such
 * process.
 */
function birthOf(pid: number): string | undefined {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!
    return `${pid} ${afterName.split(' ')[19]}`
  } catch {
    return undefined
  }
}

export const dataDirFault = (expected: string, found: string): ConfigError =>
  new ConfigError([{ path: '--data-dir', expected, found }])
