// `chargelift server`. Loads nothing of the server before it is asked to run.

import { type Lean, lookAtCodeCache, startFromCache, startLean } from './lean.ts'

export const serverHelp = async (): Promise<string> => `Usage: chargelift server [flags]

Receives readings over MQTT with mutual TLS and commits them to the database; acknowledges after the commit.
Each flag is also an environment variable. Logs are JSON on standard output. SIGHUP reads the certificate files anew, which a
change of them does by itself within seconds.

${(await import('../server/config.ts')).serverFlagsHelp()}
`

/**
 * --max-semi-space-size (MB), --initial-old-space-size (MB), --heap-growing-percent: by itself V8 lets the new space grow to
 * 128 MB and old garbage to about as much before it collects. Measured: 70 to 150 MB less in spool-drain, for no more CPU per
 * message, and 140 MB less after 5,000 connections that came and went. They count for the workers, too.
 *
 * MMAP_THRESHOLD_, TOP_PAD_: for the first bytes of a TLS connection Node takes 64 KB, and keeps them as long as it lives. A mapping
 * of its own is one page of memory then. Measured with 5,000 connections: 65 KB each instead of 83. MMAP_MAX_: the system bounds
 * the mappings of a process, and V8 needs some.
 */
const lean: Lean = {
  flags: ['--max-semi-space-size=8', '--initial-old-space-size=48', '--heap-growing-percent=100'],
  malloc: { ARENA_MAX: 2, MMAP_THRESHOLD_: 32_768, TOP_PAD_: 16_384, MMAP_MAX_: 20_000 }
}

/** Returns when the server has stopped, or was told to stop before it was ready. Throws ConfigError. */
export async function serverCommand(args: readonly string[]): Promise<void> {
  startLean(lean)
  const before = lookAtCodeCache()
  const { runServer } = await import('./server/run.ts')
  startFromCache(before)
  await runServer(args)
}
