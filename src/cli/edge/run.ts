// `chargelift edge --config FILE`: runs the edge until SIGTERM or SIGINT, sends the spooled samples, and returns. Loads
// the edge's modules only when the command runs.

import type { EdgeConfig } from '../../edge/config.ts'
import type { EdgeParts } from '../../edge/edge.ts'
import { type Lean, lookAtCodeCache, startFromCache, startLean } from '../process/lean.ts'
import { untilStopped } from '../process/signals.ts'
import { Systemd } from '../process/systemd.ts'
import { readConfigApart } from './configApart.ts'
import { energyStartOf, readFlags } from './flags.ts'

/**
 * --liftoff-only: undici's HTTP parser is WebAssembly. Optimising it takes 20 MB for a moment and keeps 9 MB, for one
 * small answer in each poll. --no-opt: the code and memory of V8's last compiler take 6 MB. Without this compiler,
 * 30,000 messages a second are still possible. --max-semi-space-size, --heap-growing-percent: V8 collects garbage
 * early, also while the edge sends a backlog of weeks. --initial-old-space-size: overrides the server's value, which
 * the binary contains. One arena is enough, because the edge's threads allocate little.
 */
const lean: Lean = {
  flags: [
    '--liftoff-only',
    '--no-opt',
    '--max-semi-space-size=1',
    '--heap-growing-percent=20',
    '--initial-old-space-size=0'
  ],
  malloc: { ARENA_MAX: 1 }
}

/** Throws ConfigError with all faults of the command line or of the file. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const { config: path, level, check, once, acceptsSerial, energyStart } = readFlags(args)
  if (check) return (await import('./check.ts')).checkCommand(path)
  startLean(lean)
  const before = lookAtCodeCache()
  const reading = readConfigApart(path)
  const [{ loadEdge, startEdge }, { StatusFile }, { pino }] = await Promise.all([
    import('../../edge/edge.ts'),
    import('../../edge/statusFile.ts'),
    import('pino')
  ])
  const config = await reading
  await loadEdge(config)
  await startFromCache(before)
  const log = pino({ level })
  const signal = untilStopped()
  const energyStartWh = energyStartOf(energyStart, config.chargers)
  const parts = { log, acceptsSerial, energyStartWh }
  if (once) return runOnce(config, parts, signal)
  const edge = await startEdge(config, parts)
  const systemd = new Systemd(log)
  const statusFile = config.statusFile && new StatusFile(config.statusFile, edge, log)
  await systemd.ready(() => edge.isAlive())
  log.info({ event: 'stopping', signal: await signal }, 'stopping')
  void systemd.stopping()
  if (statusFile) statusFile.stop()
  await edge.stop()
  log.info({ event: 'stopped' }, 'stopped')
}

/**
 * Polls once. Sets the exit code 1 unless every charger was polled and every sample is acknowledged. Unacknowledged
 * samples wait on disk for the next run.
 */
async function runOnce(config: EdgeConfig, parts: EdgeParts, signal: Promise<unknown>): Promise<void> {
  const { pollOnce } = await import('../../edge/once.ts')
  const { missed, isSettled } = await pollOnce(config, parts, signal)
  const isGood = missed.length === 0 && isSettled
  parts.log[isGood ? 'info' : 'error'](
    { event: 'once', missed, acknowledged: isSettled },
    isGood ? 'done' : 'not all done'
  )
  if (!isGood) process.exitCode = 1
}
