// `chargelift certs init`: makes the CA, the revocation list and the certificate of the server.

import { readCommandLine } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { isoDay } from '../../model/isoDay.ts'
import { type InitReport, initAuthority } from '../../pki/authority/authority.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
import { dirDefault, dirOf, print, refuseExtra, text, texts } from './args.ts'

export async function initCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('certs init', args, { dir: text, host: texts }, faults)
  refuseExtra('certs init', words, 0, faults)
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
    `The server needs ${files.server}, ${files.serverKey}, ${files.ca} and ${files.crl}; ` +
      `it does not need ${files.caKey}.`,
    `Next: certs issue NAME${files.dir === dirDefault ? '' : ` --dir ${files.dir}`}, once for each device.`
  ]
}
