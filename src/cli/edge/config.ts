// What the process of the edge takes from its environment, and what it puts there for itself.

import { join } from 'node:path'

export interface EdgeEnvironment {
  /** Where Node keeps compiled and type-stripped code between starts; undefined where there is no place, or nobody wants it. */
  readonly codeCache: string | undefined
  /** This start came after one that filled the cache. */
  readonly isSecondStart: boolean
}

const secondStart = 'CHARGELIFT_CODE_CACHE_FILLED'

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): EdgeEnvironment {
  return { codeCache: codeCacheOf(env), isSecondStart: env[secondStart] !== undefined }
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
