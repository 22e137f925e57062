// `chargelift edge replay --since TIME`: asks the edge of a configuration to send again what it was acknowledged.

import { parseArgs } from 'node:util'
import { settledKeepMs } from '../../edge/spool/limits.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { timeMs, timeRule } from '../shared/times.ts'

const configDefault = 'edge.yaml'
const keepDays = settledKeepMs / 86_400_000

export const help = `Usage: chargelift edge replay --since TIME [--config FILE]

Sends samples once more that the server has acknowledged, for a server whose database was restored from a backup. What
the server has already is recognised: too early a time does no harm. The edge keeps acknowledged samples for ${keepDays} days, as
far as spool.maxBytes allows. It may run meanwhile, or not: it takes the request within a minute, or at its next start,
reconnects, and sends the samples oldest first while it goes on with new ones. Its log says how many (event replay).

Options:
  --since TIME   what was sampled at this time or later, ${timeRule}; required
  --config FILE  the configuration of the edge (${configDefault})
  --help         this text

Exit codes: 0 the request is noted, 78 the command line, the configuration or the spool has faults (all are printed).
`

/** Throws ConfigError with all faults. */
export async function run(
  args: readonly string[],
  print = (text: string): unknown => process.stdout.write(text)
): Promise<void> {
  const { config, sinceMs } = readFlags(args)
  const [{ loadEdgeConfig }, { requestReplay }] = await Promise.all([
    import('../../edge/config.ts'),
    import('../../edge/spool/replay.ts')
  ])
  const { spool } = loadEdgeConfig(config)
  const askedMs = requestReplay(spool.path, sinceMs)
  const since = new Date(askedMs).toISOString()
  print(
    `Noted: what was sampled since ${since} will be sent again. The edge takes this up within a minute, or at its next start.\n`
  )
}

function readFlags(args: readonly string[]): { config: string; sinceMs: number } {
  const { since, config = configDefault } = parse(args)
  const sinceMs = timeMs(since ?? '')
  const faults: ConfigFault[] = []
  if (since === undefined) faults.push({ path: '--since', expected: timeRule, found: 'nothing' })
  else if (Number.isNaN(sinceMs)) faults.push({ path: '--since', expected: timeRule, found: JSON.stringify(since) })
  else if (sinceMs > Date.now()) faults.push({ path: '--since', expected: 'a time in the past', found: since })
  if (config === '') faults.push({ path: '--config', expected: 'the path of a YAML file', found: '""' })
  if (faults.length > 0) throw new ConfigError(faults)
  return { config, sinceMs }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: { since: { type: 'string' }, config: { type: 'string' } } }).values
  } catch (cause) {
    const found = (cause as Error).message
    throw new ConfigError([{ path: 'command line', expected: '--since TIME [--config FILE]', found }], { cause })
  }
}
