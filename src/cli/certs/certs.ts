// `chargelift certs`: makes the PKI of a fleet and its devices' certificates; renews, revokes and lists them.
// Reads the arguments, calls pki/, prints what was written and what to do next.
// Throws ConfigError with all faults at once; never prints a key.

import { readFile } from 'node:fs/promises'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { isoDay } from '../../model/isoDay.ts'
import { roles } from '../../model/server/admission.ts'
import { type InitReport, initAuthority } from '../../pki/authority/authority.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
import { csvColumns, parseDeviceCsv } from '../../pki/authority/deviceCsv.ts'
import { type DeviceOrder, issueDevices } from '../../pki/authority/devices.ts'
import { certificateDaysDefault, certificateDaysMax } from '../../pki/limits.ts'
import { type DeviceField, hostsDefault } from '../../pki/names.ts'
import { dirDefault, dirOf, flag, one, print, readArgs, refuseExtra, text, texts, type Values } from './args.ts'
import { bundleCommand } from './bundle.ts'
import { describeDevice, describeDevices, describeFormer } from './describe.ts'
import { listCommand } from './list.ts'
import { renewCommand } from './renew.ts'
import { revokeCommand } from './revoke.ts'
import { signCommand } from './sign.ts'

export const certsHelp = `chargelift certs: the certificates of a fleet

  certs init [--host NAME|IP]...        make CA, revocation list and the server's certificate; what is there stays
  certs issue NAME [options]            make key and certificate of one device
  certs issue --csv FILE                the same for many: a header line ${csvColumns}, then a device a line
  certs sign FILE [options]             certificate for a key that stays on its device: FILE is what edge enroll printed there, or -
  certs bundle NAME [options]           all that an edge needs in one file, NAME.tar, and the line that installs it
  certs renew NAME... | --within DAYS   new key and certificate, role and chargers stay; the former stays valid for the change
  certs revoke NAME... [options]        never again: the list of revoked certificates grows, servers read it at once
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

sign
  --role, --charger, --days, --force    as for issue; name and key are those of the request, after its signature was checked

bundle
  --out FILE        the archive (NAME.tar); the key is in it only when it was made here
  --broker URL      mqtts://HOST[:PORT] (default: the first host of the server's certificate that is not this machine)
  --url URL         where the charger answers, http://HOST:25000     With several chargers in the certificate each of
  --dev-key PIN     PIN 1 of its set-up sheet                        these three is given per charger: CHARGER=VALUE
  --driver DRIVER   its API (default mennekes-amtron)

renew
  --within DAYS     all whose certificate ends within so many days
  --days DAYS       lifetime, as for issue

revoke
  --former          only what was replaced by a later certificate: after a renewal, when the device has the new one
  --serial SERIAL   only this certificate of NAME (certs list shows the serials)
                    (default: all that was ever issued to NAME)
`

/** `args`: what follows `certs`. Prints to stdout; throws ConfigError. */
export async function certsCommand(args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args
  if (['--help', '-h', 'help'].includes(name) || rest.includes('--help') || rest.includes('-h')) {
    return print(certsHelp)
  }
  if (name === 'init') return initCommand(rest)
  if (name === 'issue') return issueCommand(rest)
  if (name === 'sign') return signCommand(rest)
  if (name === 'bundle') return bundleCommand(rest)
  if (name === 'renew') return renewCommand(rest)
  if (name === 'revoke') return revokeCommand(rest)
  if (name === 'list') return listCommand(rest)
  const found = name === '' ? 'nothing' : JSON.stringify(name)
  throw new ConfigError([
    { path: 'certs', expected: 'init, issue, sign, bundle, renew, revoke or list (see certs --help)', found }
  ])
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
  print(await describeFormer(dir, issued))
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
