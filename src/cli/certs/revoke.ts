// `chargelift certs revoke`: revokes certificates of devices for ever.

import { readCommandLine } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { type RevokeReport, revokeDevices } from '../../pki/authority/revoke.ts'
import { dirOf, flag, print, text } from './args.ts'
import { describeValid } from './describe.ts'

export async function revokeCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const specs = { dir: text, former: flag, serial: text } as const
  const { values, words: names } = readCommandLine('certs revoke', args, specs, faults)
  const { serial } = values
  if (names.length === 0) faults.push({ path: 'NAME', expected: 'the name of a device', found: 'none' })
  if (serial !== undefined && (values.former !== undefined || names.length > 1)) {
    faults.push({ path: '--serial', expected: 'one NAME, and no --former', found: names.join(' ') })
  }
  if (serial !== undefined && !/^[0-9A-Fa-f]{1,40}$/.test(serial)) {
    faults.push({ path: '--serial', expected: 'hexadecimal digits', found: JSON.stringify(serial) })
  }
  const which = serial === undefined ? (values.former === undefined ? 'all' : 'former') : { serial }
  print(describe(await revokeDevices({ dir: dirOf(values), names: [...new Set(names)], which, faults })))
}

function describe({ files, revoked, already, left }: RevokeReport): string {
  const lines = [
    ...revoked.map(({ name, serial }) => `Revoked ${name}: ${serial}`),
    ...already.map(({ name, serial }) => `Revoked before: ${name}: ${serial}`)
  ]
  const next =
    revoked.length === 0
      ? 'Nothing was changed.'
      : `Updated ${files.crl}. A server that reads this file closes their connections within seconds; ` +
        'copy it to every other server.'
  return `${[...lines, next].join('\n')}\n${left.map(describeStillValid).join('')}`
}

const describeStillValid = (device: RevokeReport['left'][number]): string =>
  device.replaced ? describeValid(device) : `${device.name} keeps ${device.serial}, its present certificate.\n`
