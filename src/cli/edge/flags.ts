// The flags of `chargelift edge`. Loads nothing of the edge.

import { parseArgs } from 'node:util'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

export interface Flags {
  readonly config: string
  readonly level: string
  readonly check: boolean
  readonly once: boolean
  readonly acceptsSerial: boolean
  /** As they were given; see energyStartOf. */
  readonly energyStart: readonly string[]
}

/** Throws ConfigError with all faults. */
export function readFlags(args: readonly string[]): Flags {
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
    throw new ConfigError([{ path: 'command line', expected: '--config FILE, and what edge --help tells of', found }], {
      cause
    })
  }
}

const energyRule = 'WH, or NAME=WH for one of several chargers, with a number of 0 or more'

/** Wh by charger. Throws ConfigError with all faults. */
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
