// `chargelift certs issue`: makes the key and the certificate of one device, or of all devices of a CSV file.

import { readFile } from 'node:fs/promises'
import { type FlagValues, readCommandLine } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { readFault } from '../../model/fileFaults.ts'
import { parseDeviceCsv } from '../../pki/authority/deviceCsv.ts'
import { type DeviceOrder, issueDevices } from '../../pki/authority/devices.ts'
import type { DeviceField } from '../../pki/names.ts'
import { dirOf, flag, print, refuseExtra, text, texts } from './args.ts'
import { describeDevice, describeDevices, describeFormer } from './describe.ts'

const specs = { dir: text, role: text, charger: texts, days: text, csv: text, force: flag } as const
type Values = FlagValues<typeof specs>

export async function issueCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('certs issue', args, specs, faults)
  // If --csv has no file, there is a fault already. A missing NAME must then not add another fault.
  const csv = values.csv ?? (faults.some(({ path }) => path === '--csv') ? '' : undefined)
  const orders = csv === undefined ? orderOf(values, words, faults) : await csvOrders(csv, values, words, faults)
  const dir = dirOf(values)
  const issued = await issueDevices(dir, orders, { replace: values.force !== undefined, faults })
  print(csv === undefined ? describeDevice(dir, issued[0]!) : describeDevices(dir, issued))
  print(await describeFormer(dir, issued))
}

function orderOf(values: Values, words: readonly string[], faults: ConfigFault[]): DeviceOrder[] {
  refuseExtra('certs issue', words, 1, faults)
  const draft = {
    name: words[0] ?? '',
    role: values.role ?? '',
    chargers: values.charger ?? [],
    days: values.days ?? ''
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
  words: readonly string[],
  faults: ConfigFault[]
): Promise<DeviceOrder[]> {
  refuseExtra('certs issue', words, 0, faults)
  for (const name of ['role', 'charger', 'days'] as const) {
    if (values[name] === undefined) continue
    const sentence = `--${name} does not go with --csv: each line of the file has its own.`
    faults.push({ path: `--${name}`, expected: 'none beside --csv', found: String(values[name]), sentence })
  }
  if (file === '') return []
  try {
    return parseDeviceCsv(await readFile(file, 'utf8'), file, faults)
  } catch (cause) {
    faults.push(readFault(file, cause, '--csv'))
    return []
  }
}
