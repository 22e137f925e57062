// `chargelift edge replay --since TIME`: asks the edge that uses a configuration to send acknowledged samples again.

import { settledKeepMs } from '../../edge/spool/limits.ts'
import { readCommandLine, unexpectedWord } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { timeMs, timeRule } from '../shared/times.ts'

const configDefault = 'edge.yaml'
const keepDays = settledKeepMs / 86_400_000

export const help = `Usage: chargelift edge replay --since TIME [--config FILE]

Sends acknowledged samples again, for a server whose database was restored from a backup. The server
recognises what it has already: a time that is too early does no harm. The edge keeps acknowledged
samples for ${keepDays} days, as far as spool.maxBytes allows. A running edge takes the request within a
minute, another at its next start. It reconnects, and sends the samples oldest first beside the new
ones. Its log says how many (event replay).

Options:
  --since TIME   send what was sampled at this time or later; required
                 ${timeRule}
  --config FILE  the configuration of the edge (${configDefault})
  --help         this text

Exit codes: 0 the request is noted, 78 the command line, the configuration or the spool has faults
(all are printed).

Example: chargelift edge replay --since 2026-11-01T12:00:00Z --config edge.yaml
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
    `Noted: what was sampled since ${since} will be sent again. ` +
      'The edge takes this up within a minute, or at its next start.\n'
  )
}

const specs = {
  since: { type: 'string', expected: timeRule },
  config: { type: 'string', expected: 'the path of a YAML file' }
} as const

function readFlags(args: readonly string[]): { config: string; sinceMs: number } {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('edge replay', args, specs, faults)
  if (words.length > 0) faults.push(unexpectedWord('edge replay', words.join(' ')))
  const { since, config = configDefault } = values
  const sinceMs = timeMs(since ?? '')
  const isTold = faults.some(({ path }) => path === '--since')
  if (since === undefined && !isTold) faults.push({ path: '--since', expected: timeRule, found: 'nothing' })
  else if (since !== undefined && Number.isNaN(sinceMs))
    faults.push({ path: '--since', expected: timeRule, found: JSON.stringify(since) })
  else if (since !== undefined && sinceMs > Date.now())
    faults.push({ path: '--since', expected: 'a time in the past', found: since })
  if (config === '') faults.push({ path: '--config', expected: 'the path of a YAML file', found: '""' })
  if (faults.length > 0) throw new ConfigError(faults)
  return { config, sinceMs }
}
