// What a process of ours puts into the environment of its next start, and finds there.

import { join } from 'node:path'
import { isBinary } from '../../model/assets.ts'

const secondStart = 'CHARGELIFT_CODE_CACHE_FILLED'

/** This start came after one that filled the code cache. */
export const isSecondStart = (env: NodeJS.ProcessEnv = process.env): boolean => env[secondStart] !== undefined

/** This process is one of several of a server: see server/config.ts. */
export const isPart = (env: NodeJS.ProcessEnv = process.env): boolean => env.CHARGELIFT_PROCESS_PART !== undefined

export const secondEnvironment = (env: NodeJS.ProcessEnv = process.env): Record<string, string> => ({
  ...(env as Record<string, string>),
  [secondStart]: '1'
})

/** Variables of glibc's malloc, without their prefix MALLOC_. */
export interface Malloc {
  /** Arenas. Each keeps memory that it had once; threads that share an arena wait for each other. */
  readonly ARENA_MAX: number
  /** Bytes. A larger piece is a mapping of its own, of which only the written pages take memory. */
  readonly MMAP_THRESHOLD_?: number
  /** Mappings at most. */
  readonly MMAP_MAX_?: number
  /** Bytes that malloc takes from the system beyond the need. */
  readonly TOP_PAD_?: number
}

/** A service may set them itself, which saves a start. */
export const hasMalloc = (malloc: Malloc, env: NodeJS.ProcessEnv = process.env): boolean =>
  Object.entries(mallocVariables(malloc)).every(([name, value]) => env[name] === value)

const mallocVariables = (malloc: Malloc): Record<string, string> =>
  Object.fromEntries(Object.entries(malloc).map(([name, value]) => [`MALLOC_${name}`, String(value)]))

export const leanEnvironment = (malloc: Malloc, env: NodeJS.ProcessEnv = process.env): Record<string, string> => ({
  ...(env as Record<string, string>),
  ...mallocVariables(malloc),
  ...codeCacheOf(env)
})

/** Never the world's /tmp: whoever writes there would decide what we run. */
function codeCacheOf(env: NodeJS.ProcessEnv): Record<string, string> {
  if (isBinary) return {} // it has its code cache inside
  if (env.NODE_DISABLE_COMPILE_CACHE || env.NODE_COMPILE_CACHE) return {}
  // The first is what systemd sets for CacheDirectory=.
  const folder = env.CACHE_DIRECTORY || env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, '.cache'))
  return folder ? { NODE_COMPILE_CACHE: join(folder, 'chargelift') } : {}
}

export interface SystemdEnvironment {
  /** systemd waits for notifications (sd_notify). */
  readonly hasNotifySocket: boolean
  /** systemd restarts a service from which it has not heard for this long; undefined where it does not watch. */
  readonly watchdogMs: number | undefined
}

export function readSystemdEnvironment(env: NodeJS.ProcessEnv = process.env): SystemdEnvironment {
  return {
    hasNotifySocket: Boolean(env.NOTIFY_SOCKET),
    watchdogMs: watchdogMsOf(env)
  }
}

/** For another process than this one it is not meant (sd_watchdog_enabled). */
function watchdogMsOf({ WATCHDOG_USEC: time, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number | undefined {
  const isOurs = pid === undefined || Number(pid) === process.pid
  return isOurs && Number(time) > 0 ? Number(time) / 1000 : undefined
}
