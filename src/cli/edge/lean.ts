// Makes the process of the edge a small one: a Raspberry Pi has little memory, and the edge is not alone on it.
// It starts itself anew under the same process id (execve) with Node's code cache and with flags of V8 that can only be
// given at start. With the cache Node need not load its TypeScript stripper, which keeps 18 MB; a start that filled the
// cache has it loaded already, and so starts once more. Where execve or the cache is not to be had the edge runs all the same.

import { statSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { nextEnvironment, readEnvironment } from './config.ts'

/**
 * --liftoff-only: undici's HTTP parser is WebAssembly; optimising it takes 20 MB for a moment and keeps 9, for one small answer
 * a poll. --no-opt: V8's last compiler, whose code and memory are 6 MB; the one before it is good for 30,000 messages a second.
 * --max-semi-space-size, --heap-growing-percent: garbage is collected early, also while a backlog of weeks leaves.
 */
const flags = ['--liftoff-only', '--no-opt', '--max-semi-space-size=1', '--heap-growing-percent=20']

/** Does not return when it starts the process anew: call it before anything is open. */
export function startLean(): void {
  if (!process.execArgv.includes(flags[0]!)) again([...flags, ...process.execArgv], false)
}

/** When what was loaded since `before` had to be compiled: starts once more, this time from the cache. */
export function startFromCache(before: CodeCache): void {
  if (before.changedMs === undefined || readEnvironment().isSecondStart) return
  flushCompileCache()
  if (lookAtCodeCache().changedMs !== before.changedMs) again(process.execArgv, true)
}

export interface CodeCache {
  /** When a file of it was last written; undefined where there is no cache. */
  readonly changedMs: number | undefined
}

export function lookAtCodeCache(): CodeCache {
  const folder = getCompileCacheDir()
  return { changedMs: folder === undefined ? undefined : statSync(folder, { throwIfNoEntry: false })?.mtimeMs }
}

function again(execArgv: readonly string[], isSecondStart: boolean): void {
  const args = [process.execPath, ...execArgv, ...process.argv.slice(1)]
  process.execve?.(process.execPath, args, nextEnvironment(isSecondStart))
}
