// Makes a long-running process small. The process starts itself anew under the same process id (execve), with Node's
// code cache and with flags of V8 that can only be given at start. With the cache Node does not load its TypeScript
// stripper, which keeps 18 MB. A start that filled the cache has the stripper loaded, and so starts once more. Where
// execve or the cache is missing the process runs all the same.

import { statSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { hasMalloc, isSecondStart, leanEnvironment, type Malloc, secondEnvironment } from './config.ts'
import { canStartAgain, startOf } from './self.ts'

export interface Lean {
  /** For V8. */
  readonly flags: readonly string[]
  /** For malloc (mallopt(3)). */
  readonly malloc: Malloc
}

/**
 * --max-semi-space-size (MB), --initial-old-space-size (MB), --heap-growing-percent: by default V8 lets the new space
 * grow to 128 MB, and old garbage to about as much, before it collects. Measured with these flags: 70 to 150 MB less in
 * spool-drain, for no more CPU per message, and 140 MB less after 5,000 connections that came and went. The flags also
 * count for the workers. The single binary has them inside, for every command: its code cache needs one set of flags.
 *
 * MMAP_THRESHOLD_, TOP_PAD_: for the first bytes of a TLS connection Node takes 64 KB, and keeps them as long as the
 * connection lives. As a mapping of its own this is one page of memory. Measured with 5,000 connections: 65 KB each
 * instead of 83. MMAP_MAX_: the system bounds the mappings of a process, and V8 needs some.
 */
export const serverLean: Lean = {
  flags: ['--max-semi-space-size=8', '--initial-old-space-size=48', '--heap-growing-percent=100'],
  malloc: { ARENA_MAX: 2, MMAP_THRESHOLD_: 32_768, TOP_PAD_: 16_384, MMAP_MAX_: 20_000 }
}

/** Does not return when it starts the process anew: call it before anything is open. */
export function startLean({ flags, malloc }: Lean): void {
  const missing = flags.filter(flag => !process.execArgv.includes(flag))
  if ((missing.length === 0 && hasMalloc(malloc)) || !canStartAgain()) return
  again(missing, leanEnvironment(malloc))
}

/**
 * Starts once more, from the cache, when modules had to be compiled since `before`. `loadLater` loads the modules of
 * threads: a single module that the cache lacks brings the stripper into the process.
 */
export async function startFromCache(before: CodeCache, loadLater?: () => Promise<void>): Promise<void> {
  if (before.changedMs === undefined || isSecondStart() || !canStartAgain()) return
  flushCompileCache()
  if (lookAtCodeCache().changedMs === before.changedMs) return
  await loadLater?.()
  flushCompileCache()
  again([], secondEnvironment())
}

export interface CodeCache {
  /** When a file of it was last written; undefined where there is no cache. */
  readonly changedMs: number | undefined
}

export function lookAtCodeCache(): CodeCache {
  const folder = getCompileCacheDir()
  return { changedMs: folder === undefined ? undefined : statSync(folder, { throwIfNoEntry: false })?.mtimeMs }
}

function again(flags: readonly string[], env: Record<string, string>): void {
  const { file, args } = startOf(flags, process.argv.slice(2))
  process.execve?.(file, [file, ...args], env)
}
