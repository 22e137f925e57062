// `chargelift certs`: makes the PKI of a fleet and its devices' certificates, and lists what was issued.
// Reads the arguments, calls pki/, prints what was written and what to do next.
// Throws ConfigError with all faults at once; never prints a key.

import { readFile } from 'node:fs/promises'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { roles } from '../model/admission.ts'
import { ConfigError, type ConfigFault } from '../model/errors.ts'
import { certificateDaysDefault, certificateDaysMax } from '../model/limits.ts'
import { type InitReport, initAuthority } from '../pki/authority.ts'
import { isoDay, throwFaults } from '../pki/ca.ts'
import { csvColumns, parseDeviceCsv } from '../pki/deviceCsv.ts'
import { type DeviceOrder, type IssuedDevice, issueDevices } from '../pki/devices.ts'
import { authorityFiles } from '../pki/files.ts'
import { type ListedDevice, listDevices } from '../pki/issued.ts'
import { type DeviceField, hostsDefault } from '../pki/names.ts'

const dirDefault = 'certs'
const dayMs = 86_400_000

export const certsHelp = `chargelift certs: the certificates of a fleet

  certs init [--host NAME|IP]...        make CA, revocation list and the server's certificate; what is there stays
  certs issue NAME [options]            make key and certificate of one device
  certs issue --csv FILE                the same for many: a header line ${csvColumns}, then a device a line
  certs list                            everything issued, with what is left of it

Everywhere
  --dir DIR         the folder of the PKI (default ${dirDefault})
  --help            this text

init
  --host NAME|IP    name or address under which clients reach the server; repeat it for several
                    (default: those of the present certificate, at first ${hostsDefault.join(' and ')})

issue
  --role ROLE       ${roles.join(' | ')} (default edge)
                    edge: publishes for its charger; consumer: reads; operator: reads everything, sends commands
  --charger NAME    a charger that the device stands for; repeat it for several
                    (default: an edge its own name, a consumer every charger; not for an operator)
  --days DAYS       lifetime, 1 to ${certificateDaysMax} (default ${certificateDaysDefault}), never beyond that of the CA
  --force           replace key and certificate of a device that has them
  In a CSV file, chargers are separated by spaces or semicolons, and an empty value means the default.
`

/** `args`: what follows `certs`. Prints to stdout; throws ConfigError. */
export async function certsCommand(args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args
  if (['--help', '-h', 'help'].includes(name) || rest.includes('--help') || rest.includes('-h')) {
    return print(certsHelp)
  }
  if (name === 'init') return initCommand(rest)
  if (name === 'issue') return issueCommand(rest)
  if (name === 'list') return listCommand(rest)
  const found = name === '' ? 'nothing' : JSON.stringify(name)
  throw new ConfigError([{ path: 'certs', expected: 'init, issue or list (see certs --help)', found }])
}

async function initCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const { values, positionals } = readArgs(args, { dir: text, host: texts }, faults)
  refuseExtra(positionals, 0, faults)
  throwFaults(faults)
  const dir = dirOf(values)
  const report = await initAuthority(values.host === undefined ? { dir } : { dir, hosts: values.host })
  print(describeInit(report, values.host === undefined))
}

function describeInit(report: InitReport, hostsAssumed: boolean): string {
  const { files, hosts } = report
  const lines = [
    `CA ${report.ca}, valid until ${isoDay(new Date(report.caNotAfterMs))}: ${files.ca}, ${files.caKey}`,
    `Revocation list ${report.crl}: ${files.crl}`,
    `Server certificate ${report.server}${report.serverReason === '' ? '' : ` (${report.serverReason})`}` +
      `, valid until ${isoDay(new Date(report.serverNotAfterMs))}: ${files.server}, ${files.serverKey}`,
    `  for ${hosts.join(', ')}${hostsAssumed ? ' (no --host given)' : ''}`
  ]
  return `${[...lines, '', ...nextAfterInit(report)].join('\n')}\n`
}

function nextAfterInit({ files, ca }: InitReport): string[] {
  const backup = `Keep ${files.caKey} secret and a copy of ${files.dir} in a safe place: it signs for the whole fleet.`
  return [
    ...(ca === 'created' ? [backup] : []),
    `The server needs ${files.server}, ${files.serverKey}, ${files.ca} and ${files.crl}; it does not need ${files.caKey}.`,
    `Next: certs issue NAME${files.dir === dirDefault ? '' : ` --dir ${files.dir}`}, once for each device.`
  ]
}

async function issueCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const specs = { dir: text, role: text, charger: texts, days: text, csv: text, force: flag }
  const { values, positionals } = readArgs(args, specs, faults)
  const csv = one(values.csv)
  const orders =
    csv === undefined ? orderOf(values, positionals, faults) : await csvOrders(csv, values, positionals, faults)
  const dir = dirOf(values)
  const issued = await issueDevices(dir, orders, { replace: values.force !== undefined, faults })
  print(csv === undefined ? describeDevice(dir, issued[0]!) : describeDevices(dir, issued))
  print(describeFormer(issued, await listDevices(dir)))
}

function orderOf(values: Values, positionals: readonly string[], faults: ConfigFault[]): DeviceOrder[] {
  refuseExtra(positionals, 1, faults)
  const draft = {
    name: positionals[0] ?? '',
    role: one(values.role) ?? '',
    chargers: values.charger ?? [],
    days: one(values.days) ?? ''
  }
  return [{ draft, pathOf: field => flagOf[field] }]
}

const flagOf: Readonly<Record<DeviceField, string>> = {
  name: 'NAME',
  role: '--role',
  chargers: '--charger',
  days: '--days'
}

async function csvOrders(
  file: string,
  values: Values,
  positionals: readonly string[],
  faults: ConfigFault[]
): Promise<DeviceOrder[]> {
  refuseExtra(positionals, 0, faults)
  for (const name of ['role', 'charger', 'days'] as const) {
    if (values[name] === undefined) continue
    faults.push({ path: `--${name}`, expected: 'none beside --csv, whose lines say it', found: values[name].join(' ') })
  }
  // Given without a value: told already.
  if (file === '') return []
  try {
    return parseDeviceCsv(await readFile(file, 'utf8'), file, faults)
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause)
    faults.push({ path: '--csv', expected: 'a file that can be read', found })
    return []
  }
}

function describeDevice(dir: string, { name, role, chargers, serial, notAfter, files }: IssuedDevice): string {
  return `Issued ${name}: role ${role}, for ${longScope(role, chargers)}, serial ${serial}, valid until ${notAfter.slice(0, 10)}.
Copy these three files to the device, the key on a safe way, and delete the key here:
  ${files.certificate}
  ${files.key}   (secret)
  ${authorityFiles(dir).ca}
`
}

function describeDevices(dir: string, issued: readonly IssuedDevice[]): string {
  const lines = issued.map(({ name, files }) => `  ${name}: ${files.certificate}, ${files.key}`)
  return `Issued ${issued.length} ${issued.length === 1 ? 'certificate' : 'certificates'}:
${lines.join('\n')}
Copy to each device its two files and ${authorityFiles(dir).ca}, the key on a safe way, and delete the keys here.
`
}

function describeFormer(issued: readonly IssuedDevice[], all: readonly ListedDevice[]): string {
  const names = new Set(issued.map(({ name }) => name))
  const nowMs = Date.now()
  const former = all.filter(
    ({ name, replaced, notAfter }) => replaced && names.has(name) && Date.parse(notAfter) > nowMs
  )
  return former
    .map(
      ({ name, serial, notAfter }) =>
        `A former certificate of ${name} stays valid until ${notAfter.slice(0, 10)}: ${serial}\n`
    )
    .join('')
}

async function listCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const { values, positionals } = readArgs(args, { dir: text }, faults)
  refuseExtra(positionals, 0, faults)
  throwFaults(faults)
  const dir = dirOf(values)
  const devices = await listDevices(dir)
  print(devices.length === 0 ? `Nothing has been issued in ${dir} yet.\n` : table(devices, Date.now()))
}

function table(devices: readonly ListedDevice[], nowMs: number): string {
  const header = ['NAME', 'ROLE', 'CHARGERS', 'SERIAL', 'VALID UNTIL', 'DAYS LEFT']
  const rows = devices.map(device => [
    device.name,
    device.role,
    shortScope(device),
    device.serial,
    device.notAfter.slice(0, 10),
    daysLeft(device, nowMs)
  ])
  return align([header, ...rows])
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  const lines = rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  )
  return `${lines.join('\n')}\n`
}

function daysLeft({ notAfter, replaced }: ListedDevice, nowMs: number): string {
  const leftMs = Date.parse(notAfter) - nowMs
  const left = leftMs <= 0 ? 'expired' : String(Math.floor(leftMs / dayMs))
  return replaced ? `${left} (replaced)` : left
}

const shownChargersMax = 3
function shortScope({ role, chargers }: ListedDevice): string {
  if (chargers.length <= shownChargersMax) return scopeOf(role, chargers)
  return `${chargers.slice(0, shownChargersMax).join(' ')} and ${chargers.length - shownChargersMax} more`
}

function scopeOf(role: string, chargers: readonly string[]): string {
  if (chargers.length > 0) return chargers.join(' ')
  return role === 'edge' ? 'its own' : 'all'
}

const longScope = (role: string, chargers: readonly string[]): string =>
  chargers.length === 0 ? `${scopeOf(role, chargers)} ${role === 'edge' ? 'charger' : 'chargers'}` : chargers.join(' ')

const text = { type: 'string' } as const
const texts = { type: 'string', multiple: true } as const
const flag = { type: 'boolean' } as const
/** Every value of each option, in order. */
type Values = Readonly<Record<string, readonly string[] | undefined>>

// Not strict: that stops at the first fault.
function readArgs(
  args: readonly string[],
  options: ParseArgsOptionsConfig,
  faults: ConfigFault[]
): { values: Values; positionals: readonly string[] } {
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true
  })
  const values: Record<string, string[]> = {}
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const value = optionValue(token, options[token.name], faults)
    values[token.name] = [...(values[token.name] ?? []), value]
  }
  return { values, positionals }
}

interface OptionToken {
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function optionValue(
  token: OptionToken,
  spec: ParseArgsOptionsConfig[string] | undefined,
  faults: ConfigFault[]
): string {
  const { rawName, value, inlineValue } = token
  const fault = (expected: string, found: string): void => {
    faults.push({ path: rawName, expected, found })
  }
  if (spec === undefined) fault('an option that certs --help names', rawName)
  else if (spec.type === 'boolean' && value !== undefined) fault('no value', JSON.stringify(value))
  else if (spec.type === 'string' && (!value || (value.startsWith('-') && inlineValue !== true))) {
    fault('a value', value ? `the option ${value}` : 'none')
  }
  return value ?? ''
}

function refuseExtra(positionals: readonly string[], count: number, faults: ConfigFault[]): void {
  const extra = positionals.slice(count)
  if (extra.length === 0) return
  faults.push({ path: 'arguments', expected: count === 0 ? 'options only' : 'one NAME', found: extra.join(' ') })
}

const dirOf = ({ dir }: Values): string => one(dir) || dirDefault
const one = (values: readonly string[] | undefined): string | undefined => values?.at(-1)

function print(text: string): void {
  process.stdout.write(text)
}
