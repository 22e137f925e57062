// Reduces the memory of a long-running process. The process starts itself again under the same process id (execve),
// with Node's code cache and with V8 flags that can only be given at the start. With the cache, Node does not load its
// TypeScript stripper, which keeps 18 MB. A start that has filled the cache has loaded the stripper, so it starts once
// more. Without execve or without the cache, the process still runs.

import { statSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { hasMalloc, isSecondStart, leanEnvironment, type Malloc, secondEnvironment } from './config.ts'
import { canStartAgain, startOf } from './self.ts'

export interface Lean {
  /** The flags of V8. */
  readonly flags: readonly string[]
  /** The settings of malloc (mallopt(3)). */
  readonly malloc: Malloc
}

/**
 * --max-semi-space-size (MB), --initial-old-space-size (MB), --heap-growing-percent: by default V8 lets the new space
 * grow to 128 MB, and old garbage to about as much, before it collects. Measured with these flags: 70 to 150 MB less in
 * spool-drain, for no more CPU per message, and 140 MB less after 5,000 connections that came and went. The flags also
 * apply to the workers. The single binary contains the flags, for every command, because its code cache needs one set
 * of flags.
 *
 * MMAP_THRESHOLD_, TOP_PAD_: Node takes 64 KB for the first bytes of a TLS connection, and keeps them as long as the
 * connection lives. In its own mapping, this piece takes one page of memory. Measured with 5,000 connections: 65 KB for
 * each connection instead of 83 KB. MMAP_MAX_: the system limits the mappings of a process, and V8 needs some of them.
 */
export const serverLean: Lean = {
  flags: ['--max-semi-space-size=8', '--initial-old-space-size=48', '--heap-growing-percent=100'],
  malloc: { ARENA_MAX: 2, MMAP_THRESHOLD_: 32_768, TOP_PAD_: 16_384, MMAP_MAX_: 20_000 }
}

/**
 * Starts the process again if flags or variables are missing, and then does not return. Must be called before anything
 * is open.
 */
export function startLean({ flags, malloc }: Lean): void {
  const missing = flags.filter(flag => !process.execArgv.includes(flag))
  if ((missing.length === 0 && hasMalloc(malloc)) || !canStartAgain()) return
  again(missing, leanEnvironment(malloc))
}

/**
 * Starts the process once more from the cache if modules had to be compiled since `before`. `loadLater` loads the
 * modules of threads. The cache must have all modules, because a single missing module loads the stripper.
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
  /** The time of the last change of the cache folder, in ms since the Unix epoch. Undefined when there is no cache. */
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
