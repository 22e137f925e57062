// `chargelift server`. Loads nothing of the server before it is asked to run.

import { createRequire } from 'node:module'
import { isPart } from '../process/config.ts'
import { lookAtCodeCache, serverLean, startFromCache, startLean } from '../process/lean.ts'

export const serverHelp = async (): Promise<string> => `Usage: chargelift server [flags]

Receives readings over MQTT with mutual TLS and commits them to the database; acknowledges after the commit.
Each flag is also an environment variable. Logs are JSON on standard output. SIGHUP reads the certificate files anew, which a
change of them does by itself within seconds.

${(await import('../../server/config.ts')).serverFlagsHelp()}
`

/** Returns when the server has stopped, or was told to stop before it was ready. Throws ConfigError. */
export async function serverCommand(args: readonly string[]): Promise<void> {
  if (isPart()) return (await import('./run.ts')).runServer(args) // started as it should be, with a channel that a new start would lose
  startLean(serverLean)
  const before = lookAtCodeCache()
  const { runServer } = await import('./run.ts')
  await startFromCache(before, loadThreads)
  await runServer(args)
}

/** As they do it: Piscina asks for its file by require, and the cache knows a module by how it was asked for. */
async function loadThreads(): Promise<void> {
  createRequire(import.meta.url)('../../ingest/worker/writer.ts')
  await import('../../history/derive/thread.ts')
}
