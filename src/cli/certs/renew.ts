// `chargelift certs renew`: makes a new key and certificate for devices that have one. The former certificate stays
// valid.

import { readCommandLine } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
import { renewDevices } from '../../pki/authority/devices.ts'
import { dirOf, print, text } from './args.ts'
import { describeDevices, describeFormer } from './describe.ts'

export async function renewCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const specs = { dir: text, within: text, days: text } as const
  const { values, words: names } = readCommandLine('certs renew', args, specs, faults)
  const { within } = values
  const isTold = faults.some(({ path }) => path === '--within')
  if ((within === undefined) === (names.length === 0) && !isTold) {
    const found = within === undefined ? 'neither' : 'both'
    faults.push({ path: 'arguments', expected: 'NAME..., or --within DAYS', found })
  }
  if (within !== undefined && !/^\d{1,5}$/.test(within)) {
    faults.push({ path: '--within', expected: 'a whole number of days', found: JSON.stringify(within) })
  }
  throwFaults(faults)
  const dir = dirOf(values)
  const whom = within === undefined ? [...new Set(names)] : { withinDays: Number(within) }
  const issued = await renewDevices({ dir, whom, days: values.days ?? '' })
  if (issued.length === 0) return print(`No certificate ends within ${within} days.\n`)
  print(describeDevices(dir, issued))
  print(await describeFormer(dir, issued))
  const all = issued.length === 1 ? issued[0]!.name : 'NAME...'
  print(`When the new one is in use: certs revoke ${all} --former\n`)
}
