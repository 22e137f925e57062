// Makes a process that runs for long a small one. It starts itself anew under the same process id (execve) with Node's code
// cache and with flags of V8 that can only be given at start. With the cache Node need not load its TypeScript stripper, which
// keeps 18 MB; a start that filled the cache has it loaded already, and so starts once more. Where execve or the cache is not
// to be had the process runs all the same.

import { statSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { isSecondStart, leanEnvironment, type Malloc, secondEnvironment } from './config.ts'
import { startOf } from './self.ts'

export interface Lean {
  /** For V8. The first one tells whether they were given. */
  readonly flags: readonly [string, ...string[]]
  /** For malloc (mallopt(3)). */
  readonly malloc: Malloc
}

/** Does not return when it starts the process anew: call it before anything is open. */
export function startLean({ flags, malloc }: Lean): void {
  if (process.execArgv.includes(flags[0])) return
  again([...flags, ...process.execArgv], leanEnvironment(malloc))
}

/** When what was loaded since `before` had to be compiled: starts once more, this time from the cache. */
export function startFromCache(before: CodeCache): void {
  if (before.changedMs === undefined || isSecondStart()) return
  flushCompileCache()
  if (lookAtCodeCache().changedMs !== before.changedMs) again(process.execArgv, secondEnvironment())
}

export interface CodeCache {
  /** When a file of it was last written; undefined where there is no cache. */
  readonly changedMs: number | undefined
}

export function lookAtCodeCache(): CodeCache {
  const folder = getCompileCacheDir()
  return { changedMs: folder === undefined ? undefined : statSync(folder, { throwIfNoEntry: false })?.mtimeMs }
}

function again(execArgv: readonly string[], env: Record<string, string>): void {
  const { file, args } = startOf(execArgv, process.argv.slice(2))
  process.execve?.(file, [file, ...args], env)
}
