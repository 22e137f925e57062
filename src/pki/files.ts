// The folder of the PKI: where each file lies, and how it is read and written.
// Promises that a file is whole or absent (tmp + rename), that a key is readable by its owner alone from the first
// byte on, and that two commands never change the folder at the same time. Knows nothing of certificates.

import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { ConfigError, type ConfigFault } from '../model/errors.ts'
import { fileFault, isFileError, readFault, writeFault } from '../model/fileFaults.ts'

/** Paths of the files of an authority. */
export interface AuthorityFiles {
  readonly dir: string
  readonly ca: string
  readonly caKey: string
  readonly server: string
  readonly serverKey: string
  readonly crl: string
  /** One JSON line for each certificate ever issued to a device. */
  readonly issued: string
}

export interface DeviceFiles {
  readonly certificate: string
  readonly key: string
}

export const authorityFiles = (dir: string): AuthorityFiles => ({
  dir,
  ca: join(dir, 'ca.pem'),
  caKey: join(dir, 'ca.key'),
  server: join(dir, 'server.pem'),
  serverKey: join(dir, 'server.key'),
  crl: join(dir, 'crl.pem'),
  issued: join(dir, 'devices.jsonl')
})

/** `name` has been checked: it holds no slash. */
export const deviceFiles = (dir: string, name: string): DeviceFiles => ({
  certificate: join(dir, 'devices', `${name}.pem`),
  key: join(dir, 'devices', `${name}.key`)
})

/** The text of the file, undefined where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw new ConfigError([readFault(path, cause)], { cause })
  }
}

export const writePublic = (path: string, text: string | Uint8Array): Promise<void> => writeWhole(path, text, 0o644)
/** Mode 0600, also while it is being written. */
export const writeSecret = (path: string, text: string | Uint8Array): Promise<void> => writeWhole(path, text, 0o600)

async function writeWhole(path: string, text: string | Uint8Array, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const unfinished = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeSynced(unfinished, 'wx', text, mode)
    await rename(unfinished, path)
  } catch (cause) {
    await rm(unfinished, { force: true })
    throw cause
  }
}

/** Appends one line; a line that a crash has left half written is closed before. */
export async function appendLine(path: string, line: string): Promise<void> {
  await writeSynced(path, 'a', `${(await endsInLine(path)) ? '\n' : ''}${line}\n`, 0o644)
}

async function endsInLine(path: string): Promise<boolean> {
  const file = await open(path, 'a+', 0o644)
  try {
    const { size } = await file.stat()
    if (size === 0) return false
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
    return buffer.toString() !== '\n'
  } finally {
    await file.close()
  }
}

async function writeSynced(path: string, flag: 'wx' | 'a', text: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, flag, mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

const lockWaitMaxMs = 60_000
const lockPauseMs = 20

/**
 * Runs `work` while no other process, and no other caller in this one, changes the folder, which is made if need be.
 * The lock is one of the operating system (SQLite's, on an empty file): it ends with the process, so it is never stale.
 */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const lock = await takeLock(dir)
  try {
    return await work()
  } finally {
    lock.close()
  }
}

async function takeLock(dir: string): Promise<DatabaseSync> {
  const lastMs = Date.now() + lockWaitMaxMs
  for (;;) {
    const lock = await tryLock(dir)
    if (lock !== undefined) return lock
    if (Date.now() > lastMs) {
      const reason = `another certs command has been at work here for ${lockWaitMaxMs / 1000} s`
      throw new ConfigError([fileFault(dir, 'no other certs command at work', reason)])
    }
    await delay(lockPauseMs)
  }
}

async function tryLock(dir: string): Promise<DatabaseSync | undefined> {
  let lock: DatabaseSync | undefined
  try {
    await mkdir(dir, { recursive: true })
    // Never let SQLite wait: it would block the event loop, on which the holder may have to finish.
    lock = new DatabaseSync(join(dir, '.lock'), { timeout: 0 })
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (cause) {
    lock?.close()
    if (isBusy(cause)) return undefined
    throw new ConfigError([folderFault(dir, cause)], { cause })
  }
}

/** SQLite says only that it cannot open its file. */
const folderFault = (dir: string, cause: unknown): ConfigFault =>
  isFileError(cause)
    ? writeFault(dir, cause)
    : fileFault(dir, 'a folder that can be written', 'no file can be written in this folder')

const sqliteBusy = 5
const isBusy = (cause: unknown): boolean => cause instanceof Error && 'errcode' in cause && cause.errcode === sqliteBusy

const codeOf = (cause: unknown): unknown => (cause instanceof Error && 'code' in cause ? cause.code : undefined)
