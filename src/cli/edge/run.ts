// `chargelift edge --config FILE`: runs the edge until SIGTERM or SIGINT, then lets spooled samples leave and returns.
// Loads nothing of the edge before it is asked to run.

import type { EdgeConfig } from '../../edge/config.ts'
import type { EdgeParts } from '../../edge/edge.ts'
import { type Lean, lookAtCodeCache, startFromCache, startLean } from '../process/lean.ts'
import { untilStopped } from '../process/signals.ts'
import { Systemd } from '../process/systemd.ts'
import { readConfigApart } from './configApart.ts'
import { energyStartOf, readFlags } from './flags.ts'

/**
 * --liftoff-only: undici's HTTP parser is WebAssembly. Optimising it takes 20 MB for a moment and keeps 9, for one
 * small answer a poll. --no-opt: code and memory of V8's last compiler are 6 MB; without it 30,000 messages a second
 * are possible. --max-semi-space-size, --heap-growing-percent: garbage is collected early, also while a backlog of
 * weeks leaves. --initial-old-space-size: overrides that of the server, which is inside the binary. One arena: the
 * edge's threads allocate little.
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

/** 0 when every charger was polled and all is acknowledged, else 1: then the samples wait on disk for the next run. */
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
