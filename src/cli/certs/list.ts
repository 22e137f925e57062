// `chargelift certs list`: lists every certificate that was issued to a device, with its remaining days.

import { readCommandLine } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
import { type ListedDevice, listDevices } from '../../pki/authority/issued.ts'
import { revokedOf } from '../../pki/authority/revoke.ts'
import { dirOf, print, refuseExtra, text } from './args.ts'

const dayMs = 86_400_000

export async function listCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('certs list', args, { dir: text }, faults)
  refuseExtra('certs list', words, 0, faults)
  throwFaults(faults)
  const dir = dirOf(values)
  const devices = await listDevices(dir)
  print(
    devices.length === 0 ? `Nothing has been issued in ${dir} yet.\n` : table(devices, await revokedOf(dir), Date.now())
  )
}

type IsRevoked = (device: ListedDevice) => boolean

function table(devices: readonly ListedDevice[], isRevoked: IsRevoked, nowMs: number): string {
  const header = ['NAME', 'ROLE', 'CHARGERS', 'SERIAL', 'VALID UNTIL', 'DAYS LEFT']
  const rows = devices.map(device => [
    device.name,
    device.role,
    shortScope(device),
    device.serial,
    device.notAfter.slice(0, 10),
    daysLeft(device, isRevoked(device), nowMs)
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

function daysLeft({ notAfter, replaced }: ListedDevice, isRevoked: boolean, nowMs: number): string {
  if (isRevoked) return 'revoked'
  const leftMs = Date.parse(notAfter) - nowMs
  const left = leftMs <= 0 ? 'expired' : String(Math.floor(leftMs / dayMs))
  return replaced ? `${left} (replaced)` : left
}

const shownChargersMax = 3
function shortScope({ role, chargers }: ListedDevice): string {
  if (chargers.length <= shownChargersMax) return scopeOf(role, chargers)
  return `${chargers.slice(0, shownChargersMax).join(' ')} and ${chargers.length - shownChargersMax} more`
}

export function scopeOf(role: string, chargers: readonly string[]): string {
  if (chargers.length > 0) return chargers.join(' ')
  return role === 'edge' ? 'its own' : 'all'
}
