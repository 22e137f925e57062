// The texts that `certs` commands print about devices: the issued certificates, the places of the files, and the next
// steps.

import type { IssuedDevice } from '../../pki/authority/devices.ts'
import { type ListedDevice, listDevices } from '../../pki/authority/issued.ts'
import { revokedOf } from '../../pki/authority/revoke.ts'
import { authorityFiles } from '../../pki/files.ts'
import { scopeOf } from './list.ts'

export function describeDevice(dir: string, { name, role, chargers, serial, notAfter, files }: IssuedDevice): string {
  const until = notAfter.slice(0, 10)
  return `Issued ${name}: role ${role}, for ${longScope(role, chargers)}, serial ${serial}, valid until ${until}.
Copy these three files to the device, the key over a safe channel, and delete the key here:
  ${files.certificate}
  ${files.key}   (secret)
  ${authorityFiles(dir).ca}
`
}

export function describeDevices(dir: string, issued: readonly IssuedDevice[]): string {
  const lines = issued.map(({ name, files, ownKey }) =>
    ownKey
      ? `  ${name}: ${files.certificate}, for the key that it has`
      : `  ${name}: ${files.certificate}, ${files.key}`
  )
  return `Issued ${issued.length} ${issued.length === 1 ? 'certificate' : 'certificates'}:
${lines.join('\n')}
Copy to each device its files and ${authorityFiles(dir).ca}, keys over a safe channel, and delete the keys here.
`
}

/** Lists the former certificates of the same devices that are still valid. */
export async function describeFormer(dir: string, issued: readonly IssuedDevice[]): Promise<string> {
  const names = new Set(issued.map(({ name }) => name))
  const isRevoked = await revokedOf(dir)
  const former = (await listDevices(dir)).filter(
    device =>
      device.replaced && names.has(device.name) && Date.parse(device.notAfter) > Date.now() && !isRevoked(device)
  )
  return former.map(describeValid).join('')
}

export const describeValid = ({ name, serial, notAfter }: ListedDevice): string =>
  `A former certificate of ${name} stays valid until ${notAfter.slice(0, 10)}: ${serial}\n`

export const longScope = (role: string, chargers: readonly string[]): string =>
  chargers.length === 0 ? `${scopeOf(role, chargers)} ${role === 'edge' ? 'charger' : 'chargers'}` : chargers.join(' ')
