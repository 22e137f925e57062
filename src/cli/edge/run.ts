// `chargelift edge --config FILE`: runs the edge until SIGTERM or SIGINT, then lets spooled samples leave and returns.
// Loads nothing of the edge before it is asked to run.

import { parseArgs } from 'node:util'
import { ConfigError } from '../../model/errors.ts'
import { untilStopped } from '../signals.ts'
import { readConfigApart } from './configApart.ts'
import { lookAtCodeCache, startFromCache, startLean } from './lean.ts'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Throws ConfigError with all faults of the command line or of the file. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const { config: path, level } = readFlags(args)
  startLean()
  const before = lookAtCodeCache()
  const reading = readConfigApart(path)
  const [{ loadEdge, startEdge }, { pino }] = await Promise.all([import('../../edge/edge.ts'), import('pino')])
  const config = await reading
  await loadEdge(config)
  startFromCache(before)
  const log = pino({ level })
  const signal = untilStopped()
  const edge = await startEdge(config, { log })
  log.info({ event: 'stopping', signal: await signal }, 'stopping')
  await edge.stop()
  log.info({ event: 'stopped' }, 'stopped')
}

function readFlags(args: readonly string[]): { config: string; level: string } {
  const { values } = parse(args)
  const level = values['log-level'] ?? 'info'
  const config = values.config ?? ''
  const faults = []
  if (config === '') faults.push({ path: '--config', expected: 'the path of a YAML file', found: 'nothing' })
  if (!logLevels.includes(level)) {
    faults.push({ path: '--log-level', expected: `one of ${logLevels.join(', ')}`, found: JSON.stringify(level) })
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return { config, level }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { config: { type: 'string' }, 'log-level': { type: 'string' } }
    })
  } catch (cause) {
    const found = (cause as Error).message
    throw new ConfigError([{ path: 'command line', expected: '--config FILE [--log-level LEVEL]', found }], { cause })
  }
}
