// Reads the flags of `chargelift edge`. Loads no other module of the edge.

import { readCommandLine, unexpectedWord } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

export interface Flags {
  readonly config: string
  readonly level: string
  readonly check: boolean
  readonly once: boolean
  readonly acceptsSerial: boolean
  /** The values as typed. energyStartOf reads them. */
  readonly energyStart: readonly string[]
}

const specs = {
  config: { type: 'string', expected: 'the path of a YAML file' },
  'log-level': { type: 'string', expected: logLevels.join('|') },
  check: { type: 'boolean' },
  once: { type: 'boolean' },
  'accept-serial': { type: 'boolean' },
  'energy-start-wh': { type: 'string', multiple: true, expected: 'WH or NAME=WH' }
} as const

/** Throws ConfigError with all faults. */
export function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('edge', args, specs, faults)
  if (words.length > 0) faults.push(unexpectedWord('edge', words.join(' ')))
  const level = values['log-level'] ?? 'info'
  const config = values.config ?? ''
  if (config === '' && !faults.some(({ path }) => path === '--config')) {
    faults.push({ path: '--config', expected: 'the path of a YAML file', found: 'nothing' })
  }
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

const energyRule = 'WH, or NAME=WH for one of several chargers, with a number of 0 or more'

/** The start values in Wh by charger. Throws ConfigError with all faults. */
export function energyStartOf(
  flags: readonly string[],
  chargers: readonly { readonly name: string }[]
): Map<string, number> {
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
