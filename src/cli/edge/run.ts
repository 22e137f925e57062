// `chargelift edge --config FILE`: runs the edge until SIGTERM or SIGINT, then lets spooled samples leave and returns.
// Loads nothing of the edge before it is asked to run.

import { parseArgs } from 'node:util'
import type { EdgeConfig } from '../../edge/config.ts'
import type { EdgeParts } from '../../edge/edge.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { untilStopped } from '../signals.ts'
import { readConfigApart } from './configApart.ts'
import { lookAtCodeCache, startFromCache, startLean } from './lean.ts'
import { Systemd } from './systemd.ts'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Throws ConfigError with all faults of the command line or of the file. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const { config: path, level, check, once, acceptsSerial, energyStart } = readFlags(args)
  if (check) return (await import('./check.ts')).checkCommand(path)
  startLean()
  const before = lookAtCodeCache()
  const reading = readConfigApart(path)
  const [{ loadEdge, startEdge }, { StatusFile }, { pino }] = await Promise.all([
    import('../../edge/edge.ts'),
    import('../../edge/statusFile.ts'),
    import('pino')
  ])
  const config = await reading
  await loadEdge(config)
  startFromCache(before)
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

interface Flags {
  readonly config: string
  readonly level: string
  readonly check: boolean
  readonly once: boolean
  readonly acceptsSerial: boolean
  readonly energyStart: readonly string[]
}

function readFlags(args: readonly string[]): Flags {
  const { values } = parse(args)
  const level = values['log-level'] ?? 'info'
  const config = values.config ?? ''
  const faults = []
  if (config === '') faults.push({ path: '--config', expected: 'the path of a YAML file', found: 'nothing' })
  if (!logLevels.includes(level)) {
    faults.push({ path: '--log-level', expected: `one of ${logLevels.join(', ')}`, found: JSON.stringify(level) })
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    config,
    level,
    check: values.check ?? false,
    once: values.once ?? false,
    acceptsSerial: values['accept-serial'] ?? false,
    energyStart: values['energy-start-wh'] ?? []
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: 'string' },
        'log-level': { type: 'string' },
        check: { type: 'boolean' },
        once: { type: 'boolean' },
        'accept-serial': { type: 'boolean' },
        'energy-start-wh': { type: 'string', multiple: true }
      }
    })
  } catch (cause) {
    const found = (cause as Error).message
    throw new ConfigError([{ path: 'command line', expected: '--config FILE [--log-level LEVEL]', found }], { cause })
  }
}

const energyRule = 'WH, or NAME=WH for one of several chargers, with a number of 0 or more'

/** By charger. Throws ConfigError with all faults. */
function energyStartOf(flags: readonly string[], chargers: readonly { readonly name: string }[]): Map<string, number> {
  const faults: ConfigFault[] = []
  const starts = flags.map((flag): [string, number] => {
    const [, name = chargers[0]?.name ?? '', text = ''] = /^(?:([^=]*)=)?([^=]*)$/.exec(flag) ?? []
    const isNamed = flag.includes('=')
    const isWh = /^\d+(\.\d+)?$/.test(text)
    const isKnown = isNamed ? chargers.some(charger => charger.name === name) : chargers.length === 1
    if (!isWh || !isKnown) faults.push({ path: '--energy-start-wh', expected: energyRule, found: JSON.stringify(flag) })
    return [name, Number(text)]
  })
  if (faults.length > 0) throw new ConfigError(faults)
  return new Map(starts)
}
