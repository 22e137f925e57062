// What the process of the edge takes from its environment, and what it puts there for itself.

import { join } from 'node:path'

export interface EdgeEnvironment {
  /** This start came after one that filled the cache. */
  readonly isSecondStart: boolean
  /** systemd waits for notifications (sd_notify). */
  readonly hasNotifySocket: boolean
  /** systemd restarts a service from which it has not heard for this long; undefined where it does not watch. */
  readonly watchdogMs: number | undefined
}

const secondStart = 'CHARGELIFT_CODE_CACHE_FILLED'

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): EdgeEnvironment {
  return {
    isSecondStart: env[secondStart] !== undefined,
    hasNotifySocket: Boolean(env.NOTIFY_SOCKET),
    watchdogMs: watchdogMsOf(env)
  }
}

/** For another process than this one it is not meant (sd_watchdog_enabled). */
function watchdogMsOf({ WATCHDOG_USEC: time, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number | undefined {
  const isOurs = pid === undefined || Number(pid) === process.pid
  return isOurs && Number(time) > 0 ? Number(time) / 1000 : undefined
}

/** The environment of the next start. One arena for malloc: the edge's threads allocate little, and each arena keeps what it had. */
export function nextEnvironment(isSecondStart: boolean, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const codeCache = codeCacheOf(env)
  const own = {
    MALLOC_ARENA_MAX: '1',
    ...(codeCache === undefined ? {} : { NODE_COMPILE_CACHE: codeCache }),
    ...(isSecondStart ? { [secondStart]: '1' } : {})
  }
  return { ...(env as Record<string, string>), ...own }
}

/** Never the world's /tmp: whoever writes there would decide what the edge runs. */
function codeCacheOf(env: NodeJS.ProcessEnv): string | undefined {
  if (env.NODE_DISABLE_COMPILE_CACHE) return undefined
  if (env.NODE_COMPILE_CACHE) return env.NODE_COMPILE_CACHE
  // The first is what systemd sets for CacheDirectory=.
  const folder = env.CACHE_DIRECTORY || env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, '.cache'))
  return folder ? join(folder, 'chargelift') : undefined
}
