// The files that the program reads while it runs: SQL, the web page, its version, its licences. In a source checkout
// they are files below its root; in the single binary they are inside (node:sea), under the same paths.

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { getAssetKeys, getRawAsset, isSea } from 'node:sea'
import { fileURLToPath } from 'node:url'

/** This process is the single binary, and not Node with a source checkout. It holds no PostgreSQL. */
export const isBinary: boolean = isSea()

const root = new URL('../../', import.meta.url)

/**
 * `path` from the root, with slashes: `sql/000001_readings.sql`. Throws where there is no such file. Do not write to
 * it.
 */
export const readAsset = (path: string): Buffer =>
  isBinary ? Buffer.from(getRawAsset(path)) : readFileSync(new URL(path, root))

export const readAssetText = (path: string): string => readAsset(path).toString('utf8')

/** Names of all files below a folder (`sql`), sorted, subfolders with slashes; empty where there is no such folder. */
export function assetNames(folder: string): string[] {
  const start = `${folder}/`
  const names = isBinary
    ? getAssetKeys().flatMap(key => (key.startsWith(start) ? key.slice(start.length) : []))
    : filesBelow(fileURLToPath(new URL(start, root)))
  return names.sort()
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The version of this software, from its package. */
export const readVersion = (): string => JSON.parse(readAssetText('package.json')).version
