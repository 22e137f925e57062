// `chargelift server`. Loads nothing of the server before the command runs.

import { createRequire } from 'node:module'
import { isPart } from '../process/config.ts'
import { lookAtCodeCache, serverLean, startFromCache, startLean } from '../process/lean.ts'

export const help = async (): Promise<string> => `Usage: chargelift server [flags]

Receives readings over MQTT with mutual TLS, commits them to the database, and acknowledges them
after the commit. Each flag is also an environment variable. Logs are JSON lines on standard output.
The server reads changed certificate files by itself within seconds; SIGHUP makes it read them now.

${(await import('../../server/config.ts')).serverFlagsHelp()}

Example: chargelift server --mqtt-port 8883 --database-url postgres://user:password@db/chargelift
`

/** Runs the server and ends the process when the server has stopped. Throws ConfigError. */
export async function run(args: readonly string[]): Promise<void> {
  // A child process of a server has its flags already. A new start would lose the channel to the parent.
  if (isPart()) return (await import('./run.ts')).runServer(args)
  startLean(serverLean)
  const before = lookAtCodeCache()
  const { runServer } = await import('./run.ts')
  await startFromCache(before, loadThreads)
  await runServer(args)
}

/**
 * Loads the modules as the threads load them. Piscina uses require, and the cache has separate entries for require and
 * import.
 */
async function loadThreads(): Promise<void> {
  createRequire(import.meta.url)('../../ingest/worker/writer.ts')
  await import('../../history/derive/thread.ts')
}
