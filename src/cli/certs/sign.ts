// `chargelift certs sign`: makes a certificate for a key that a device made. The key never leaves the device.

import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { readCommandLine } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { readFault } from '../../model/fileFaults.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
import { readRequest } from '../../pki/authority/csr.ts'
import { issueDevices } from '../../pki/authority/devices.ts'
import { authorityFiles } from '../../pki/files.ts'
import type { DeviceField } from '../../pki/names.ts'
import { dirDefault, dirOf, flag, print, refuseExtra, text, texts } from './args.ts'
import { describeFormer, longScope } from './describe.ts'

const standardInput = '-'

export async function signCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const specs = { dir: text, role: text, charger: texts, days: text, force: flag } as const
  const { values, words } = readCommandLine('certs sign', args, specs, faults)
  refuseExtra('certs sign', words, 1, faults)
  const [file] = words
  if (file === undefined)
    faults.push({ path: 'arguments', expected: 'a file with a certificate request, or -', found: 'nothing' })
  throwFaults(faults)
  const path = file === standardInput ? 'standard input' : file!
  const request = readRequest(await read(file!, faults), path, faults)
  throwFaults(faults)
  const { name, publicKey } = request!
  const draft = { name, role: values.role ?? '', chargers: values.charger ?? [], days: values.days ?? '' }
  const pathOf = (field: DeviceField): string =>
    ({ name: path, role: '--role', chargers: '--charger', days: '--days' })[field]
  const dir = dirOf(values)
  const [issued] = await issueDevices(dir, [{ draft, pathOf, publicKey }], { replace: values.force !== undefined })
  const { role, chargers, serial, notAfter, files } = issued!
  const until = notAfter.slice(0, 10)
  print(`Signed ${name}: role ${role}, for ${longScope(role, chargers)}, serial ${serial}, valid until ${until}.
Its key stays on the device, which needs these two files:
  ${files.certificate}
  ${authorityFiles(dir).ca}
Next: certs bundle ${name}${dir === dirDefault ? '' : ` --dir ${dir}`} puts them into one file, with an edge.yaml.
`)
  print(await describeFormer(dir, [issued!]))
}

async function read(file: string, faults: ConfigFault[]): Promise<string> {
  try {
    return file === standardInput ? await textOf(process.stdin) : await readFile(file, 'utf8')
  } catch (cause) {
    faults.push(readFault(file, cause))
    throwFaults(faults)
    throw cause
  }
}
