// `chargelift certs renew`: a new key and certificate for devices that have one, while the former stays valid.

import type { ConfigFault } from '../../model/errors.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
import { renewDevices } from '../../pki/authority/devices.ts'
import { dirOf, one, print, readArgs, text } from './args.ts'
import { describeDevices, describeFormer } from './describe.ts'

export async function renewCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const { values, positionals: names } = readArgs(args, { dir: text, within: text, days: text }, faults)
  const within = one(values.within)
  if ((within === undefined) === (names.length === 0)) {
    const found = within === undefined ? 'neither' : 'both'
    faults.push({ path: 'arguments', expected: 'NAME..., or --within DAYS', found })
  }
  if (within && !/^\d{1,5}$/.test(within)) {
    faults.push({ path: '--within', expected: 'a whole number of days', found: JSON.stringify(within) })
  }
  throwFaults(faults)
  const dir = dirOf(values)
  const whom = within === undefined ? [...new Set(names)] : { withinDays: Number(within) }
  const issued = await renewDevices({ dir, whom, days: one(values.days) ?? '' })
  if (issued.length === 0) return print(`No certificate ends within ${within} days.\n`)
  print(describeDevices(dir, issued))
  print(await describeFormer(dir, issued))
  const all = issued.length === 1 ? issued[0]!.name : 'NAME...'
  print(`When the new one is in use: certs revoke ${all} --former\n`)
}
