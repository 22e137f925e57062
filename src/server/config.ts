// The server's flags and environment: one schema is the type, the validation, the defaults and the help. The only file
// of the server that reads `process.env`. All faults are reported at once, each with its flag.

import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'
import { connectionsMaxDefault, handshakesPerSecondDefault } from '../broker/listener/limits.ts'
import { isRedisUrl, redisUrlForms } from '../broker/redis/redisUrl.ts'
import { workersDefault } from '../ingest/ingest.ts'
import { isBinary } from '../model/assets.ts'
import { readCommandLine, unexpectedWord } from '../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../model/errors.ts'
import { acceptPastMsDefault } from '../model/wire/limits.ts'
import { isLoopbackHost } from './access/loopback.ts'
import {
  budgetBytesDefault,
  budgetBytesMin,
  bytesPerSecondDefault,
  messagesPerSecondDefault,
  nodeSilentMsDefault,
  presenceGraceMsDefault,
  retentionMarginMs,
  silentAfterMsDefault,
  webhookSecretCharactersMin
} from './limits.ts'
import { type ProcessPart, partOf, processPartName } from './processPart.ts'

// Number('') is 0, and 0 means any free port: only digits are accepted as a number.
const wholeNumber = z
  .string()
  .regex(/^\d{1,6}$/)
  .transform(Number)
const port = wholeNumber.pipe(z.number().max(65_535))
const text = z.string().min(1)
const dayMs = 86_400_000
const minuteMs = 60_000
const kibibyte = 1024
const mebibyte = 1024 * 1024
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** A flag: its schema, what it expects in words, and its line in the help. */
interface Flag {
  readonly schema: z.ZodType
  readonly expected: string
  readonly help: string
  readonly repeatable?: boolean
  /** The environment name, unless it is CHARGELIFT_ and the flag in upper snake case. */
  readonly env?: string
  /** The value may hold a password, even in the wrong place of a mistyped URL: no fault shows it. */
  readonly secret?: boolean
  /** The value is a secret as a whole: a fault shows only its length. */
  readonly isHidden?: boolean
  /** The flag stands without a value, which means true. */
  readonly isSwitch?: boolean
}

const file = (path: string, help: string) => ({
  schema: text.default(path),
  expected: 'a file',
  help: `${help} (${path})`
})

const flags = {
  'mqtt-host': {
    schema: text.default('0.0.0.0'),
    expected: 'an address',
    help: 'address to listen on for MQTT (0.0.0.0)'
  },
  'mqtt-port': {
    schema: z.array(port).min(1).default([8883]),
    expected: 'a port, 0 to 65535',
    help: 'port for MQTT over TLS (8883); repeatable, separated by commas in the environment',
    repeatable: true
  },
  'http-host': {
    schema: text.default('127.0.0.1'),
    expected: 'an address',
    help: 'address of the HTTP port (127.0.0.1); elsewhere than loopback only with --http-tls-cert, and with tokens'
  },
  'http-port': {
    schema: port.default(8080),
    expected: 'a port, 0 to 65535',
    help: 'port of HTTP: health, metrics, sign-in (8080)'
  },
  'http-tls-cert': {
    schema: text.optional(),
    expected: 'a file',
    help: 'certificate of the HTTP port, with its chain; absent = no TLS, on loopback only'
  },
  'http-tls-key': { schema: text.optional(), expected: 'a file', help: 'its key' },
  'tls-ca': file('certs/ca.pem', 'CA certificates of the devices'),
  'tls-cert': file('certs/server.pem', 'certificate of the server'),
  'tls-key': file('certs/server.key', 'its key'),
  'tls-crl': file('certs/crl.pem', 'revoked certificates'),
  'crl-strict': {
    schema: z
      .enum(['true', 'false'])
      .default('false')
      .transform(text => text === 'true'),
    expected: 'true or false',
    help: 'refuse devices of a CA whose revocation list has ended; without it they are let in, with an alarm',
    isSwitch: true
  },
  'max-connections': {
    schema: wholeNumber.pipe(z.number().min(1)).default(connectionsMaxDefault),
    expected: 'a whole number, 1 or more',
    help: `MQTT connections in all; newcomers above it are closed (${connectionsMaxDefault})`
  },
  'handshakes-per-second': {
    schema: wholeNumber.pipe(z.number().min(1).max(100_000)).default(handshakesPerSecondDefault),
    expected: 'a whole number, 1 to 100000',
    help: `TLS handshakes that begin in a second; the others wait for their turn (${handshakesPerSecondDefault})`
  },
  'database-url': {
    schema: z
      .string()
      .regex(/^postgres(ql)?:\/\/./)
      .optional(),
    expected: 'postgres://user:password@host:port/database',
    help: 'PostgreSQL or TimescaleDB; absent = an embedded PostgreSQL under --data-dir',
    env: 'DATABASE_URL',
    secret: true
  },
  'read-database-url': {
    schema: z
      .string()
      .regex(/^postgres(ql)?:\/\/./)
      .optional(),
    expected: 'postgres://user:password@host:port/database',
    help: 'where the API and exports read, for example a replica (the same database, over connections of their own)',
    secret: true
  },
  'data-dir': {
    schema: text.default('data'),
    expected: 'a folder',
    help: 'where the embedded PostgreSQL lives (./data)'
  },
  'redis-url': {
    schema: z.string().refine(isRedisUrl).optional(),
    expected: redisUrlForms,
    help: 'Redis that several servers share (also redis+sentinel, redis+cluster, rediss; docs/scale.md); absent = in memory',
    env: 'REDIS_URL',
    secret: true
  },
  processes: {
    schema: wholeNumber.pipe(z.number().min(1).max(64)).default(1),
    expected: 'a whole number, 1 to 64',
    help: 'processes that share the ports, each with its --workers; more than one only with --redis-url (1)'
  },
  'node-id': {
    schema: z
      .string()
      .regex(/^[A-Za-z0-9._:-]{1,128}$/)
      .optional(),
    expected: '1 to 128 of A-Z a-z 0-9 . _ : -',
    help: 'name of this server among those of one database, the same at every start (host name and first MQTT port)'
  },
  workers: {
    schema: wholeNumber.pipe(z.number().min(1).max(64)).default(workersDefault),
    expected: 'a whole number, 1 to 64',
    help: 'ingest workers, each with a database connection (2 to 4, by the number of cores)'
  },
  'accept-past-days': {
    schema: wholeNumber.pipe(z.number().min(1).max(36_500)).default(acceptPastMsDefault / dayMs),
    expected: 'a number of days, 1 to 36500',
    help: `oldest SamplingTime that is stored as a reading, in days (${acceptPastMsDefault / dayMs})`
  },
  'retention-days': {
    schema: wholeNumber.pipe(z.number().min(3).max(36_500)).optional(),
    expected: 'a number of days, 3 to 36500',
    help: 'drop raw readings that are older, in days; quarter hours, months and sessions stay (nothing is dropped)'
  },
  'memory-budget-mb': {
    schema: wholeNumber.pipe(z.number().min(budgetBytesMin / mebibyte)).default(budgetBytesDefault / mebibyte),
    expected: `a whole number of MiB, ${budgetBytesMin / mebibyte} or more`,
    help: `memory for what waits for the database, in MiB (${budgetBytesDefault / mebibyte})`
  },
  'messages-per-second': {
    schema: wholeNumber.pipe(z.number().min(1)).default(messagesPerSecondDefault),
    expected: 'a whole number, 1 or more',
    help: `packets that are read from one identity; above it, more slowly (${messagesPerSecondDefault})`
  },
  'kilobytes-per-second': {
    schema: wholeNumber.pipe(z.number().min(64)).default(bytesPerSecondDefault / kibibyte),
    expected: 'a whole number of KiB, 64 or more',
    help: `what is read from one identity, in KiB; above it, more slowly (${bytesPerSecondDefault / kibibyte})`
  },
  'silent-minutes': {
    schema: wholeNumber.pipe(z.number().min(1).max(100_000)).default(silentAfterMsDefault / minuteMs),
    expected: 'a number of minutes, 1 to 100000',
    help: `a charger without a new value for so long is a problem (${silentAfterMsDefault / minuteMs})`
  },
  'webhook-url': {
    schema: z
      .string()
      .regex(/^https?:\/\/./)
      .refine(text => URL.canParse(text))
      .optional(),
    expected: 'https://host/path',
    help: 'where problems of chargers are posted to after 15 minutes; absent = nowhere (docs/operations.md)',
    secret: true
  },
  'webhook-secret': {
    schema: z.string().min(webhookSecretCharactersMin).optional(),
    expected: `${webhookSecretCharactersMin} characters or more`,
    help: 'signs what is posted; better as the environment variable, as others see the flags of a process',
    isHidden: true
  },
  'drain-seconds': {
    schema: wholeNumber.pipe(z.number().max(3_600)).default(0),
    expected: 'a number of seconds, 0 to 3600',
    help: 'at SIGTERM, close the connections one by one over this time (0)'
  },
  'log-level': {
    schema: z.enum(logLevels).default('info'),
    expected: logLevels.join('|'),
    help: 'least level that is logged (info)'
  }
} satisfies Record<string, Flag>

type FlagName = keyof typeof flags

export interface ServerConfig {
  readonly mqttHost: string
  readonly mqttPorts: readonly number[]
  readonly httpHost: string
  readonly httpPort: number
  /** Absent: plain HTTP, which is for loopback alone. */
  readonly httpTls: { readonly cert: string; readonly key: string } | undefined
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string; readonly crl: string }
  readonly crlStrict: boolean
  readonly connectionsMax: number
  readonly handshakesPerSecond: number
  readonly databaseUrl: string | undefined
  readonly readDatabaseUrl: string | undefined
  readonly dataDir: string
  readonly redisUrl: string | undefined
  readonly nodeId: string
  readonly processes: number
  /** Undefined for a single process, and for the primary of several. */
  readonly part: ProcessPart | undefined
  readonly workers: number
  readonly logLevel: (typeof logLevels)[number]
  readonly acceptPastMs: number
  /** Undefined: raw readings are kept for ever. */
  readonly retentionMs: number | undefined
  readonly budgetBytes: number
  /** Of one identity. */
  readonly limits: { readonly messagesPerSecond: number; readonly bytesPerSecond: number }
  readonly drainMs: number
  /** A charger without a new value for this long counts as silent. */
  readonly silentAfterMs: number
  readonly webhook: { readonly url: string; readonly secret: string } | undefined
  readonly presenceGraceMs: number
  /** Another server that is silent for this long is gone. */
  readonly nodeSilentMs: number
}

const nameWidth = Math.max(...Object.keys(flags).map(({ length }) => length))

const helpWidth = 100

/** The flags as lines for `--help`. */
export const serverFlagsHelp = (): string => {
  const indent = ' '.repeat(nameWidth + 5)
  return (Object.entries(flags) as [FlagName, Flag][])
    .map(([name, flag]) => {
      const help = flag.help.replace(new RegExp(`(.{1,${helpWidth - indent.length}})(?: |$)`, 'g'), `$1\n${indent}`)
      return `  --${name.padEnd(nameWidth)} ${help}${environmentName(name, flag)}`
    })
    .join('\n')
}

const environmentName = (name: string, { env }: Flag): string =>
  env ?? `CHARGELIFT_${name.toUpperCase().replaceAll('-', '_')}`

/**
 * Flags win over the environment, which wins over the defaults. Throws ConfigError with all faults. Without a
 * PostgreSQL to embed, a database must be named.
 */
export function parseServerConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
  hasPostgres = !isBinary,
  command = 'server'
): ServerConfig {
  const faults: ConfigFault[] = []
  const given = parseFlags(command, args, faults)
  const value = <Name extends FlagName>(name: Name): z.output<(typeof flags)[Name]['schema']> => {
    const flag: Flag = flags[name]
    const raw = given.get(name) ?? fromEnvironment(env[environmentName(name, flag)], flag)
    const parsed = flag.schema.safeParse(raw)
    if (!parsed.success) {
      const found = flag.isHidden
        ? `${String(raw).length} characters (not shown)`
        : flag.secret
          ? withoutSecrets(String(raw))
          : JSON.stringify(raw)
      faults.push({ path: `--${name}`, expected: flag.expected, found })
    }
    return parsed.data as z.output<(typeof flags)[Name]['schema']>
  }
  const mqttPorts = value('mqtt-port')
  const retentionDays = value('retention-days')
  const acceptPastDays = value('accept-past-days')
  checkRetention(acceptPastDays, retentionDays, faults)
  const config: Omit<ServerConfig, 'httpTls' | 'webhook' | 'part'> = {
    mqttHost: value('mqtt-host'),
    mqttPorts,
    httpHost: value('http-host'),
    httpPort: value('http-port'),
    tls: { ca: value('tls-ca'), cert: value('tls-cert'), key: value('tls-key'), crl: value('tls-crl') },
    crlStrict: value('crl-strict'),
    connectionsMax: value('max-connections'),
    handshakesPerSecond: value('handshakes-per-second'),
    databaseUrl: value('database-url'),
    readDatabaseUrl: value('read-database-url'),
    dataDir: resolve(value('data-dir') ?? '.'),
    redisUrl: value('redis-url'),
    nodeId: value('node-id') ?? `${hostname()}:${mqttPorts?.[0]}`,
    processes: value('processes'),
    workers: value('workers'),
    logLevel: value('log-level'),
    acceptPastMs: acceptPastDays * dayMs,
    retentionMs: retentionDays === undefined ? undefined : retentionDays * dayMs,
    budgetBytes: value('memory-budget-mb') * mebibyte,
    limits: {
      messagesPerSecond: value('messages-per-second'),
      bytesPerSecond: value('kilobytes-per-second') * kibibyte
    },
    drainMs: value('drain-seconds') * 1000,
    silentAfterMs: value('silent-minutes') * minuteMs,
    presenceGraceMs: presenceGraceMsDefault,
    nodeSilentMs: nodeSilentMsDefault
  }
  const httpTls = readHttpTls(config.httpHost, value('http-tls-cert'), value('http-tls-key'), faults)
  if (!hasPostgres && config.databaseUrl === undefined && !faults.some(({ path }) => path === '--database-url')) {
    const expected =
      'postgres://user:password@host:port/database, here or as DATABASE_URL: this binary carries no PostgreSQL of its own'
    faults.push({ path: '--database-url', expected, found: 'nothing' })
  }
  const webhook = readWebhook(value('webhook-url'), value('webhook-secret'), faults)
  if (config.processes > 1 && config.redisUrl === undefined && !faults.some(({ path }) => path === '--redis-url')) {
    const expected = '--redis-url beside it: several processes are one server to their clients only through Redis'
    faults.push({ path: '--processes', expected, found: `${config.processes} without it` })
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return partOf({ ...config, httpTls, webhook, part: undefined }, env[processPartName])
}

/** The receiver of a message must be able to check that it is ours. */
function readWebhook(
  url: string | undefined,
  secret: string | undefined,
  faults: ConfigFault[]
): ServerConfig['webhook'] {
  if (url !== undefined && secret !== undefined) return { url, secret }
  // A value that is present and wrong is reported already.
  const isOther = (path: string): boolean => faults.some(fault => fault.path === path)
  if (url !== undefined && !isOther('--webhook-secret')) {
    const expected = `a secret to sign with, of ${webhookSecretCharactersMin} characters or more, beside --webhook-url`
    faults.push({ path: '--webhook-secret', expected, found: 'nothing' })
  }
  if (secret !== undefined && !isOther('--webhook-url')) {
    faults.push({ path: '--webhook-url', expected: 'a URL to post to, beside --webhook-secret', found: 'nothing' })
  }
  return undefined
}

/** Late readings must find the raw rows of their time complete. */
function checkRetention(acceptPastDays: number, retentionDays: number | undefined, faults: ConfigFault[]): void {
  if (retentionDays === undefined) return
  const daysMax = retentionDays - retentionMarginMs / dayMs
  if (!(acceptPastDays > daysMax)) return
  const expected =
    `at most ${daysMax} days, ${retentionMarginMs / dayMs} less than --retention-days ${retentionDays}, ` +
    'so that nothing is accepted for a time whose readings are gone'
  const found = `${acceptPastDays} days; give --accept-past-days ${daysMax}, or a longer --retention-days`
  faults.push({ path: '--accept-past-days', expected, found })
}

/** A port that others can reach needs TLS, because tokens and card ids pass over it. */
function readHttpTls(
  host: string | undefined,
  cert: string | undefined,
  key: string | undefined,
  faults: ConfigFault[]
): ServerConfig['httpTls'] {
  if (cert !== undefined && key !== undefined) return { cert, key }
  if (cert !== undefined) faults.push({ path: '--http-tls-key', expected: `the key of ${cert}`, found: 'nothing' })
  else if (key !== undefined) {
    faults.push({ path: '--http-tls-cert', expected: `the certificate of ${key}`, found: 'nothing' })
  } else if (host !== undefined && !isLoopbackHost(host)) {
    const expected =
      'a loopback address (127.0.0.1, ::1, localhost), or --http-tls-cert and --http-tls-key beside it ' +
      '(those of --tls-cert will do): elsewhere HTTP is served over TLS alone, to holders of a token'
    faults.push({ path: '--http-host', expected, found: `${JSON.stringify(host)} without TLS` })
  }
  return undefined
}

/** Values by flag. An unknown flag, or one without its value, is a fault. */
function parseFlags(command: string, args: readonly string[], faults: ConfigFault[]): Map<string, string | string[]> {
  const specOf = ([name, { expected, isSwitch = false, repeatable: multiple = false }]: [string, Flag]) =>
    [name, { type: 'string', expected, multiple, ...(isSwitch && { alone: 'true' }) }] as const
  const specs = Object.fromEntries(Object.entries(flags).map(specOf))
  const { values, words } = readCommandLine(command, args, specs, faults)
  for (const word of words) faults.push(unexpectedWord(command, withoutSecrets(word)))
  return new Map(Object.entries(values as Record<string, string | string[]>))
}

/** An empty variable counts as absent. */
const fromEnvironment = (text: string | undefined, flag: Flag): string | string[] | undefined =>
  text === undefined || text === '' ? undefined : flag.repeatable ? text.split(',') : text

/** A password may stand anywhere in a mistyped URL, so only its scheme is shown. */
function withoutSecrets(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0]
  if (scheme !== undefined) return `${scheme}... (the rest is not shown: it may hold a password)`
  return /[:@/]/.test(text) ? 'another value (not shown: it may hold a password)' : JSON.stringify(text)
}
