// The environment variables that a process sets for its next start, and the variables that it reads from systemd.

import { join } from 'node:path'
import { isBinary } from '../../model/assets.ts'

const secondStart = 'CHARGELIFT_CODE_CACHE_FILLED'

/** True when an earlier start has filled the code cache and started the process again. */
export const isSecondStart = (env: NodeJS.ProcessEnv = process.env): boolean => env[secondStart] !== undefined

/** True when this process is one of several processes of a server. See server/config.ts. */
export const isPart = (env: NodeJS.ProcessEnv = process.env): boolean => env.CHARGELIFT_PROCESS_PART !== undefined

export const secondEnvironment = (env: NodeJS.ProcessEnv = process.env): Record<string, string> => ({
  ...(env as Record<string, string>),
  [secondStart]: '1'
})

/** The variables of glibc's malloc, without their prefix MALLOC_. */
export interface Malloc {
  /** The most arenas. An arena keeps the memory that it once had. Threads that share an arena wait for each other. */
  readonly ARENA_MAX: number
  /** In bytes. A larger allocation gets its own mapping. Only the written pages of a mapping take memory. */
  readonly MMAP_THRESHOLD_?: number
  /** The most mappings. */
  readonly MMAP_MAX_?: number
  /** The number of extra bytes that malloc takes from the system each time. */
  readonly TOP_PAD_?: number
}

/** True when the variables are set already. A service may set them itself, which saves a start. */
export const hasMalloc = (malloc: Malloc, env: NodeJS.ProcessEnv = process.env): boolean =>
  Object.entries(mallocVariables(malloc)).every(([name, value]) => env[name] === value)

const mallocVariables = (malloc: Malloc): Record<string, string> =>
  Object.fromEntries(Object.entries(malloc).map(([name, value]) => [`MALLOC_${name}`, String(value)]))

export const leanEnvironment = (malloc: Malloc, env: NodeJS.ProcessEnv = process.env): Record<string, string> => ({
  ...(env as Record<string, string>),
  ...mallocVariables(malloc),
  ...codeCacheOf(env)
})

/** The code cache must never be in the shared /tmp: anybody who can write there could choose the code that runs. */
function codeCacheOf(env: NodeJS.ProcessEnv): Record<string, string> {
  if (isBinary) return {} // a binary contains its code cache
  if (env.NODE_DISABLE_COMPILE_CACHE || env.NODE_COMPILE_CACHE) return {}
  // systemd sets CACHE_DIRECTORY for the setting CacheDirectory=.
  const folder = env.CACHE_DIRECTORY || env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, '.cache'))
  return folder ? { NODE_COMPILE_CACHE: join(folder, 'chargelift') } : {}
}

export interface SystemdEnvironment {
  /** True when systemd waits for notifications (sd_notify). */
  readonly hasNotifySocket: boolean
  /** systemd restarts a service that has sent no sign of life for this long. Undefined when systemd does not watch. */
  readonly watchdogMs: number | undefined
}

export function readSystemdEnvironment(env: NodeJS.ProcessEnv = process.env): SystemdEnvironment {
  return {
    hasNotifySocket: Boolean(env.NOTIFY_SOCKET),
    watchdogMs: watchdogMsOf(env)
  }
}

/** Undefined when the watchdog is meant for another process (sd_watchdog_enabled). */
function watchdogMsOf({ WATCHDOG_USEC: time, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number | undefined {
  const isOurs = pid === undefined || Number(pid) === process.pid
  return isOurs && Number(time) > 0 ? Number(time) / 1000 : undefined
}
