// The configuration of the edge: one schema is its type, its validation, its defaults and its documentation. It reads
// the YAML file and the certificate files that it names, and reports all faults at once, each with its path, what was
// expected and what was found. No fault and no type ever shows a devKey.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { ConfigError, type ConfigFault } from '../model/errors.ts'
import { readFault } from '../model/fileFaults.ts'
import { chargerNameRule, chargerUrnPrefix, isChargerName } from '../model/wire/topics.ts'
import { devKeyOf, driverNames } from './chargers/registry.ts'
import {
  heartbeatMsDefault,
  pollIntervalMsKind,
  pollIntervalMsMin,
  spoolBytesDefault,
  spoolBytesMin
} from './limits.ts'
import { Secret } from './secret.ts'

// Every message below is the `expected` of a fault.
const text = (expected: string) => z.string({ error: expected }).min(1, { error: expected })
const wholeNumber = (min: number, max: number, expected: string) =>
  z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected })
const section = <Shape extends z.core.$ZodShape>(shape: Shape, expected: string) =>
  z.strictObject(shape, {
    error: issue => (issue.code === 'unrecognized_keys' ? `one of ${Object.keys(shape).join(', ')}` : expected)
  })

const longestMs = 86_400_000
const intervalRule = `a whole number of milliseconds from ${pollIntervalMsMin} to ${longestMs}`

const devKeyRule = 'a text in quotes, such as "0000" (without quotes YAML drops leading zeros)'

const chargerSchema = section(
  {
    name: text(chargerNameRule)
      .refine(isChargerName, { error: chargerNameRule })
      .describe('the name under which the charger is known to the server; the certificate must allow it'),
    driver: z
      .enum(driverNames as [string, ...string[]], { error: `one of ${driverNames.join(', ')}` })
      .describe('which API the charger speaks'),
    url: text('http://HOST:PORT, without user, query and fragment')
      .refine(isChargerUrl, { error: 'http://HOST:PORT, without user, query and fragment' })
      .transform(url => url.replace(/\/+$/, ''))
      .describe('where the charger answers; an Amtron does on port 25000'),
    devKey: text(devKeyRule)
      .transform(key => new Secret(key))
      .optional()
      .describe('PIN 1 ("APP-PIN") of the set-up sheet, in quotes; not with mennekes-ecu, which has none'),
    pollIntervalMs: wholeNumber(pollIntervalMsMin, longestMs, intervalRule)
      .optional()
      .describe('fixed poll interval; default 10 s while charging and 30 s otherwise'),
    phases: wholeNumber(1, 3, '1, 2 or 3').optional().describe('bounds plausible power; default: what the charger says')
  },
  'a charger with name, driver and url'
)

const tlsSchema = section(
  {
    ca: text('the path of the CA certificate (PEM)').describe('certificates of the authority that signed the server'),
    cert: text("the path of the edge's certificate (PEM)").describe(
      'certificate of this edge; its CN is the client id'
    ),
    key: text("the path of the edge's private key (PEM)").describe('private key of that certificate')
  },
  'ca, cert and key, each a path'
)

const brokerRule = 'mqtts://HOST or mqtts://HOST:PORT'
const sizeRule = `a whole number of bytes, at least ${spoolBytesMin}`

export const edgeSchema = section(
  {
    broker: text(brokerRule)
      .refine(isBrokerUrl, { error: brokerRule })
      .transform(parseBroker)
      .describe('the MQTT server; the port is 8883 unless given'),
    tls: tlsSchema.describe('mutual TLS; paths are relative to this file'),
    spool: section(
      {
        path: text('a path')
          .default('spool.sqlite')
          .describe('where samples wait until they are acknowledged, relative to this file'),
        maxBytes: wholeNumber(spoolBytesMin, Number.MAX_SAFE_INTEGER, sizeRule)
          .default(spoolBytesDefault)
          .describe(
            'the spool never grows above this; acknowledged samples go first, then measurements of old unsent ones'
          )
      },
      'path and maxBytes'
    )
      .prefault({})
      .describe('the store of what the server has not acknowledged yet'),
    heartbeatMs: wholeNumber(1_000, longestMs, `a whole number of milliseconds from 1000 to ${longestMs}`)
      .default(heartbeatMsDefault)
      .describe('an unchanged value is published again after this long'),
    statusFile: text('a path')
      .optional()
      .describe('optional: what the edge is like, as JSON, every ten seconds; best below /run, which is memory'),
    chargers: z
      .array(chargerSchema, { error: 'a list of chargers' })
      .min(1, { error: 'at least one charger' })
      .describe('the chargers that this edge polls')
  },
  'a mapping with broker, tls and chargers'
)

type Parsed = z.output<typeof edgeSchema>
export type ChargerConfig = Parsed['chargers'][number]

export interface EdgeConfig extends Omit<Parsed, 'tls'> {
  /** CN of the certificate: the MQTT client id. */
  readonly identity: string
  /** PEM, as read from the files. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  /** The chargers that the certificate allows, configured or not. */
  readonly certifiedChargers: readonly string[]
  /** When the edge's certificate ends, ms since the Unix epoch. */
  readonly certificateEndsMs: number
  /** Accepted settings that are probably a mistake. */
  readonly warnings: readonly ConfigFault[]
}

/** Throws ConfigError with every fault that was found. */
export function loadEdgeConfig(path: string, nowMs: number = Date.now()): EdgeConfig {
  let source: string
  try {
    source = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError([readFault(path, cause)], { cause })
  }
  return parseEdgeConfig(source, dirname(resolve(path)), nowMs)
}

/** `folder` is what relative paths start from. Throws ConfigError with every fault that was found. */
export function parseEdgeConfig(source: string, folder: string, nowMs: number = Date.now()): EdgeConfig {
  const raw = parseYaml(source)
  const parsed = edgeSchema.safeParse(raw)
  const faults = parsed.success ? [] : parsed.error.issues.flatMap(issue => faultsOf(issue, raw))
  // The certificate is checked even when other parts are wrong, so that one run reports everything.
  const tls = tlsSchema.safeParse(isMapping(raw) ? raw.tls : undefined)
  const files = tls.success ? readTls(tls.data, folder, nowMs, faults) : undefined
  const names = chargerNamesOf(raw)
  checkNames(names, files?.chargers, faults)
  checkKeys(raw, faults)
  if (!parsed.success || files === undefined || faults.length > 0) throw new ConfigError(faults)
  const { spool, statusFile } = parsed.data
  return {
    ...parsed.data,
    spool: { ...spool, path: resolve(folder, spool.path) },
    ...(statusFile === undefined ? {} : { statusFile: resolve(folder, statusFile) }),
    identity: files.identity,
    tls: { ca: files.ca, cert: files.cert, key: files.key },
    certifiedChargers: files.chargers,
    certificateEndsMs: files.endsMs,
    warnings: [...files.warnings, ...intervalWarnings(parsed.data.chargers)]
  }
}

function parseYaml(source: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false })
  const faults = document.errors.map(error => {
    const { line, col } = lines.linePos(error.pos[0])
    // The parser's message may quote the line, and the line may hold a devKey: only its code is shown.
    return {
      path: `line ${line}, column ${col}`,
      expected: 'YAML',
      found: error.code.toLowerCase().replaceAll('_', ' ')
    }
  })
  if (faults.length > 0) throw new ConfigError(faults)
  return document.toJS({ maxAliasCount: 10 })
}

function faultsOf(issue: z.core.$ZodIssue, raw: unknown): ConfigFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      path: pathText([...issue.path, key]),
      expected: issue.message,
      found: 'an unknown key'
    }))
  }
  return [{ path: pathText(issue.path) || 'file', expected: issue.message, found: foundAt(issue.path, raw) }]
}

/** `chargers[0].url` */
const pathText = (path: readonly PropertyKey[]): string =>
  path
    .map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')

function foundAt(path: readonly PropertyKey[], raw: unknown): string {
  let value = raw
  for (const key of path) value = isMapping(value) || Array.isArray(value) ? Reflect.get(value, key) : undefined
  return describe(value, path.at(-1))
}

function describe(value: unknown, key: PropertyKey | undefined): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (key === 'devKey') return value === '' ? 'an empty text' : `a ${typeof value} (not shown)`
  const shown = typeof value === 'string' && value.includes('://') ? redactUrl(value) : value
  return JSON.stringify(shown).slice(0, 120)
}

/** The URL without user, password and query: a pasted URL may hold the DevKey. */
export const redactUrl = (url: string): string =>
  url.replace(/\/\/[^/@]*@/, '//(not shown)@').replace(/[?#].*$/s, '?(not shown)')

function isChargerUrl(value: string): boolean {
  const url = URL.parse(value)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
  return url.username === '' && url.password === '' && !/[?#]/.test(value)
}

function isBrokerUrl(value: string): boolean {
  if (!/^mqtts:\/\/[^/?#@]+\/?$/.test(value)) return false
  const url = URL.parse(value.replace(/^mqtts:/, 'https:'))
  return url !== null && url.hostname !== '' && url.port !== '0'
}

function parseBroker(value: string): { readonly host: string; readonly port: number } {
  // Parsed as https only for its rules of host and port; 443 is dropped there as the default one.
  const url = new URL(value.replace(/^mqtts:/, 'https:'))
  const port = url.port === '' ? (/:0*443\/?$/.test(value) ? 443 : 8883) : Number(url.port)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port }
}

interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly identity: string
  readonly chargers: readonly string[]
  readonly endsMs: number
  readonly warnings: readonly ConfigFault[]
}

function readTls(
  paths: z.output<typeof tlsSchema>,
  folder: string,
  nowMs: number,
  faults: ConfigFault[]
): TlsFiles | undefined {
  const before = faults.length
  const ca = readPem('tls.ca', resolve(folder, paths.ca), faults)
  const cert = readPem('tls.cert', resolve(folder, paths.cert), faults)
  const key = readPem('tls.key', resolve(folder, paths.key), faults)
  const authority = ca && tryParse('tls.ca', 'a certificate in PEM', () => new X509Certificate(ca), faults)
  const certificate = cert && tryParse('tls.cert', 'a certificate in PEM', () => new X509Certificate(cert), faults)
  const privateKey =
    key && tryParse('tls.key', 'an unencrypted private key in PEM', () => createPrivateKey(key), faults)
  if (!ca || !cert || !key || !authority || !certificate || !privateKey) return undefined
  const warnings: ConfigFault[] = []
  checkValidity('tls.ca', authority, nowMs, faults, warnings)
  checkValidity('tls.cert', certificate, nowMs, faults, warnings)
  checkPair(certificate, privateKey, faults)
  const identity = commonNameOf(certificate, faults)
  const chargers = allowedChargers(certificate, identity, faults)
  if (faults.length > before || identity === undefined) return undefined
  return { ca, cert, key, identity, chargers, endsMs: certificate.validToDate.getTime(), warnings }
}

function readPem(path: string, file: string, faults: ConfigFault[]): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    faults.push(readFault(file, cause, path))
    return undefined
  }
}

function tryParse<T>(path: string, expected: string, parse: () => T, faults: ConfigFault[]): T | undefined {
  try {
    return parse()
  } catch (cause) {
    faults.push({ path, expected, found: reasonOf(cause) })
    return undefined
  }
}

function checkValidity(
  path: string,
  certificate: X509Certificate,
  nowMs: number,
  faults: ConfigFault[],
  warnings: ConfigFault[]
): void {
  const from = certificate.validFromDate
  const to = certificate.validToDate
  if (to.getTime() <= nowMs) {
    faults.push({ path, expected: 'a certificate that has not expired', found: `one that ended ${to.toISOString()}` })
  } else if (from.getTime() > nowMs) {
    // No fault: the clock of a Raspberry Pi has no battery, and may start before the certificate was made.
    warnings.push({ path, expected: 'a certificate that is valid now', found: `one that begins ${from.toISOString()}` })
  }
}

function checkPair(certificate: X509Certificate, key: KeyObject, faults: ConfigFault[]): void {
  if (certificate.checkPrivateKey(key)) return
  faults.push({ path: 'tls.key', expected: 'the private key of tls.cert', found: 'the key of another certificate' })
}

function commonNameOf(certificate: X509Certificate, faults: ConfigFault[]): string | undefined {
  const name: unknown = certificate.toLegacyObject().subject?.CN
  if (typeof name === 'string' && isChargerName(name)) return name
  const found = Array.isArray(name) ? `${name.length} of them` : JSON.stringify(name ?? 'none')
  faults.push({ path: 'tls.cert', expected: `exactly one CN of ${chargerNameRule}`, found })
  return undefined
}

/** The chargers of the SAN URIs, or else the CN. */
function allowedChargers(
  certificate: X509Certificate,
  identity: string | undefined,
  faults: ConfigFault[]
): readonly string[] {
  const uris = (certificate.subjectAltName ?? '').split(', ').flatMap(uriOf)
  const named = uris.filter(uri => uri.startsWith(chargerUrnPrefix)).map(uri => uri.slice(chargerUrnPrefix.length))
  for (const name of named.filter(name => !isChargerName(name))) {
    const expected = `${chargerUrnPrefix}NAME with ${chargerNameRule}`
    faults.push({ path: 'tls.cert', expected, found: JSON.stringify(name) })
  }
  if (named.length > 0) return named
  return identity === undefined ? [] : [identity]
}

/** Node writes an entry with odd characters, such as commas, as a JSON string: a comma always separates two entries. */
function uriOf(entry: string): string[] {
  if (!entry.startsWith('URI:')) return []
  const uri = entry.slice('URI:'.length)
  return [uri.startsWith('"') ? JSON.parse(uri) : uri]
}

const chargersOf = (raw: unknown): readonly unknown[] =>
  isMapping(raw) && Array.isArray(raw.chargers) ? raw.chargers : []

/** The well-formed names, by index; other names have their own fault. */
const chargerNamesOf = (raw: unknown): readonly (string | undefined)[] =>
  chargersOf(raw).map(charger => {
    const name = isMapping(charger) ? charger.name : undefined
    return typeof name === 'string' && isChargerName(name) ? name : undefined
  })

/** Finds missing keys; the schema has checked those that exist. */
function checkKeys(raw: unknown, faults: ConfigFault[]): void {
  for (const [index, charger] of chargersOf(raw).entries()) {
    if (!isMapping(charger) || (charger.devKey ?? undefined) !== undefined) continue
    const key = devKeyOf(String(charger.driver))
    const expected = `${key}, ${devKeyRule}`
    if (key !== undefined) faults.push({ path: `chargers[${index}].devKey`, expected, found: 'nothing' })
  }
}

function checkNames(
  names: readonly (string | undefined)[],
  allowed: readonly string[] | undefined,
  faults: ConfigFault[]
): void {
  for (const [index, name] of names.entries()) {
    if (name === undefined) continue
    const path = `chargers[${index}].name`
    if (names.indexOf(name) < index) {
      faults.push({ path, expected: 'a name that no other charger has', found: JSON.stringify(name) })
    } else if (allowed !== undefined && !allowed.includes(name)) {
      const expected = `one that the certificate allows (${allowed.slice(0, 8).join(', ')})`
      faults.push({ path, expected, found: JSON.stringify(name) })
    }
  }
}

const intervalWarnings = (chargers: readonly ChargerConfig[]): ConfigFault[] =>
  chargers.flatMap(({ pollIntervalMs }, index) =>
    pollIntervalMs === undefined || pollIntervalMs >= pollIntervalMsKind
      ? []
      : [
          {
            path: `chargers[${index}].pollIntervalMs`,
            expected: `at least ${pollIntervalMsKind} (frequent polling is known to crash chargers)`,
            found: String(pollIntervalMs)
          }
        ]
  )

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException
  return code ?? message
}
