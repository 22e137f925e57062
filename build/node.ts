// Finds the Node for a binary: the version that package-lock.json pins, for any architecture. The Node of this
// machine's architecture is installed already. Another Node is downloaded from npm, checked against the lock file, and
// kept in node_modules/.cache.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from './run.ts'

export type Arch = 'x64' | 'arm64'

/**
 * Returns the folder of the package, which holds `bin/node` and `LICENSE`. Throws Error when a download has another
 * checksum.
 */
export async function nodeFolderOf(root: string, arch: Arch): Promise<string> {
  const name = `node-linux-${arch}`
  const { version, integrity } = lockedPackage(root, name)
  const installed = join(root, 'node_modules', name)
  if (existsSync(join(installed, 'bin/node')) && versionOf(installed) === version) return installed
  const cached = join(root, 'node_modules/.cache/chargelift-build', `${name}-${version}`)
  if (!existsSync(cached)) await download({ name, version, integrity }, cached)
  return cached
}

interface Locked {
  readonly name: string
  readonly version: string
  readonly integrity: string
}

function lockedPackage(root: string, name: string): Omit<Locked, 'name'> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return lock.packages[`node_modules/${name}`]
}

const versionOf = (folder: string): string => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version

async function download({ name, version, integrity }: Locked, cached: string): Promise<void> {
  const parent = join(cached, '..')
  mkdirSync(parent, { recursive: true })
  const unfinished = mkdtempSync(join(parent, 'unfinished-'))
  try {
    await runProgram('npm', ['pack', `${name}@${version}`, '--pack-destination', unfinished, '--silent'])
    const file = join(unfinished, readdirSync(unfinished)[0]!)
    const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
    if (found !== integrity) throw new Error(`expected ${integrity} of ${name} ${version}, found ${found}`)
    await runProgram('tar', ['-xzf', file, '-C', unfinished])
    renameSync(join(unfinished, 'package'), cached)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}
