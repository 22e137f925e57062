// What a process of ours puts into the environment of its next start, and finds there.

import { join } from 'node:path'

const secondStart = 'CHARGELIFT_CODE_CACHE_FILLED'

/** This start came after one that filled the code cache. */
export const isSecondStart = (env: NodeJS.ProcessEnv = process.env): boolean => env[secondStart] !== undefined

export const secondEnvironment = (env: NodeJS.ProcessEnv = process.env): Record<string, string> => ({
  ...(env as Record<string, string>),
  [secondStart]: '1'
})

/** `mallocArenas`: each keeps what it had, and threads that share one wait for each other. */
export const leanEnvironment = (
  mallocArenas: number,
  env: NodeJS.ProcessEnv = process.env
): Record<string, string> => ({
  ...(env as Record<string, string>),
  MALLOC_ARENA_MAX: String(mallocArenas),
  ...codeCacheOf(env)
})

/** Never the world's /tmp: whoever writes there would decide what we run. */
function codeCacheOf(env: NodeJS.ProcessEnv): Record<string, string> {
  if (env.NODE_DISABLE_COMPILE_CACHE || env.NODE_COMPILE_CACHE) return {}
  // The first is what systemd sets for CacheDirectory=.
  const folder = env.CACHE_DIRECTORY || env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, '.cache'))
  return folder ? { NODE_COMPILE_CACHE: join(folder, 'chargelift') } : {}
}
