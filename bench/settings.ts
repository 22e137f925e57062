// The flags of the bench. One table holds the meaning, the check and the help of each flag. All faults are reported at
// once.

import { parseArgs } from 'node:util'
import { workersDefault } from '../src/ingest/ingest.ts'
import { ConfigError, type ConfigFault } from '../src/model/errors.ts'
import { valuesMax } from './load/columns.ts'

interface Flag<T> {
  readonly parse: (text: string) => T | undefined
  readonly expected: string
  readonly help: string
  /** The value may hold a password, so no fault and no report shows it. */
  readonly secret?: boolean
  /** The flag takes no value. */
  readonly isSwitch?: boolean
}

const whole = (min: number, max: number, help: string): Flag<number> => ({
  parse: text => (/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined),
  expected: `a whole number, ${min} to ${max}`,
  help
})
const decimal = (max: number, help: string): Flag<number> => ({
  parse: text => (/^\d{1,9}(\.\d+)?$/.test(text) && Number(text) > 0 && Number(text) <= max ? Number(text) : undefined),
  expected: `a number above 0, at most ${max}`,
  help
})
const given = (help: string): Flag<true> => ({ parse: () => true, expected: 'no value', help, isSwitch: true })
const path = (expected: string, help: string): Flag<string> => ({ parse: text => text || undefined, expected, help })

export const baselineNames = ['tutorial', 'tutorial-batched', 'stock-aedes', 'floor', 'copy-floor', 'telegraf'] as const
export type BaselineName = (typeof baselineNames)[number]

const flags = {
  connections: whole(1, 50_000, 'chargers, each with a connection and a certificate of its own'),
  values: whole(1, valuesMax, 'values per poll, all at one SamplingTime and in one socket write'),
  rate: decimal(10_000_000, 'messages per second of the whole fleet, instead of as fast as acknowledged'),
  seconds: decimal(864_000, 'length of the measured time, after a warm-up of up to 3 s'),
  qos: whole(0, 2, 'MQTT quality of service'),
  window: whole(1, 1_024, 'messages of a charger without acknowledgement, at most; not below --values'),
  workers: whole(1, 64, 'ingest workers of the server'),
  processes: whole(1, 64, 'processes that generate the load'),
  'server-processes': whole(1, 64, 'processes of the server; more than one with --redis-url'),
  'redis-url': {
    parse: (text: string) => (/^rediss?(\+\w+)?:\/\/./.test(text) ? text : undefined),
    expected: 'redis://host:port, an empty one',
    help: 'Redis for the server, as if it shared it with others',
    secret: true
  },
  churn: decimal(100, 'chargers that leave and come back, per cent of the fleet per minute'),
  subscribers: whole(1, 1_000, 'dashboards: on chargers/# (subscribers), in browsers (dashboards)'),
  'outage-seconds': whole(1, 3_600, 'how long the database is away (database-outage)'),
  rows: whole(1_000, 1_000_000_000, 'rows to ask questions about (queries)'),
  'poll-ms': whole(100, 60_000, 'poll interval of the real edge (edge)'),
  repeats: whole(1, 99, 'repeats, in turns with the baselines; the report has the medians'),
  baselines: {
    parse: (text: string): readonly BaselineName[] | undefined => {
      const names = text === 'all' ? baselineNames : (text.split(',') as BaselineName[])
      return names.every(name => baselineNames.includes(name)) ? names : undefined
    },
    expected: `all, or some of ${baselineNames.join(', ')}, separated by commas`,
    help: 'what to measure in the same run with the same fleet: names, or all'
  },
  telegraf: path('the path of telegraf', 'program for the baseline of that name'),
  'database-url': {
    parse: (text: string) => (/^postgres(ql)?:\/\/./.test(text) ? text : undefined),
    expected: 'postgres://user:password@host:port/database',
    help: 'PostgreSQL or TimescaleDB to make databases in; with --server: the database of that server',
    secret: true
  },
  server: {
    parse: parseServer,
    expected: 'mqtts://host:port',
    help: 'a server that runs already, instead of one of our own'
  },
  'metrics-url': path('http://host:port/metrics', 'metrics of that server, when it has some'),
  certs: path('a folder', 'folder with ca.pem and ca.key, or with ca.pem and devices/ (data/bench/certs)'),
  strict: given('a budget whose bound is broken makes the exit code 1 (budgets)'),
  json: path('a file', 'write the results there'),
  html: path('a file', 'write the report there (data/bench/SCENARIO.html)')
} satisfies Record<string, Flag<unknown>>

export type FlagName = keyof typeof flags
type Value<Name extends FlagName> = NonNullable<ReturnType<(typeof flags)[Name]['parse']>>

/** The settings of a run, each flag by its name. Undefined for a flag that was not given and has no default. */
export type Settings = { readonly [Name in FlagName]: Value<Name> | undefined } & typeof always

const always = {
  connections: 200,
  values: 4,
  seconds: 10,
  qos: 1,
  repeats: 1,
  baselines: [] as readonly BaselineName[],
  certs: 'data/bench/certs'
}
export type Defaults = Partial<{ readonly [Name in FlagName]: Value<Name> }>

function parseServer(text: string): { readonly host: string; readonly port: number } | undefined {
  if (!/^mqtts:\/\/[^/]+$/.test(text) || !URL.canParse(text)) return undefined
  const { hostname, port } = new URL(text)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 8883) }
}

/** Reads the flags. `defaults` are the scenario's defaults. Throws ConfigError with all faults. */
export function readSettings(args: readonly string[], defaults: Defaults): Settings {
  const options = Object.fromEntries(
    Object.entries<Flag<unknown>>(flags).map(([name, { isSwitch }]) => [
      name,
      { type: isSwitch ? 'boolean' : 'string' } as const
    ])
  )
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  const faults: ConfigFault[] = []
  const given: Record<string, unknown> = {}
  for (const token of tokens) {
    if (token.kind !== 'option' || !Object.hasOwn(flags, token.name)) {
      const found = token.kind === 'option' ? token.rawName : String(args[token.index])
      faults.push({ path: 'flags', expected: `--${Object.keys(flags).join(', --')}`, found })
      continue
    }
    const flag: Flag<unknown> = flags[token.name as FlagName]
    const value = parsed(flag, token.value)
    if (value === undefined) {
      const found = flag.secret ? 'another text (not shown: it may hold a password)' : (token.value ?? 'nothing')
      faults.push({ path: token.rawName, expected: flag.expected, found })
    } else given[token.name] = value
  }
  const settings = { ...always, ...defaults, ...given } as unknown as Settings
  faults.push(...contradictions(settings, given as Defaults))
  if (faults.length > 0) throw new ConfigError(faults)
  return settings
}

/** Undefined for a value that is not allowed. */
function parsed({ isSwitch, parse }: Flag<unknown>, text: string | undefined): unknown {
  if (isSwitch) return text === undefined ? true : undefined
  return text === undefined ? undefined : parse(text)
}

function contradictions(settings: Settings, given: Defaults): ConfigFault[] {
  const faults: ConfigFault[] = []
  const { window, values } = settings
  if ((settings['server-processes'] ?? 1) > 1 && settings['redis-url'] === undefined) {
    faults.push({ path: '--server-processes', expected: '--redis-url beside it', found: 'none' })
  }
  if (window !== undefined && window < values) {
    faults.push({ path: '--window', expected: `--values (${values}) or more`, found: String(window) })
  }
  if (settings.qos === 0 && settings.rate === undefined) {
    const expected = '1 or 2, for nothing acknowledges QoS 0 and the next poll would wait for ever; or a --rate'
    faults.push({ path: '--qos', expected, found: '0' })
  }
  if (settings.server !== undefined && settings['database-url'] === undefined) {
    const expected = 'the database of the server at --server: every run is verified against it'
    faults.push({ path: '--database-url', expected, found: 'nothing' })
  }
  if (settings.server !== undefined && given.certs === undefined) {
    faults.push({ path: '--certs', expected: 'the certificates for the server at --server', found: 'nothing' })
  }
  if (settings.baselines.length > 0 && settings.server !== undefined) {
    faults.push({
      path: '--baselines',
      expected: 'no --server: baselines need a database of their own',
      found: '--server'
    })
  }
  return faults
}

/** The settings for the report, without values that may be secret. */
export function shownSettings(settings: Settings): Record<string, unknown> {
  const { 'database-url': url, 'redis-url': redis, ...rest } = settings
  const shown = {
    ...rest,
    workers: rest.workers ?? workersDefault(),
    'database-url': url === undefined ? undefined : 'given',
    'redis-url': redis === undefined ? undefined : 'given'
  }
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined))
}

const width = Math.max(...Object.keys(flags).map(({ length }) => length))

export const flagsHelp = (): string =>
  Object.entries(flags)
    .map(([name, { help }]) => `  --${name.padEnd(width)} ${help}`)
    .join('\n')
