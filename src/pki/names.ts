// What may stand in a certificate: host names for the server; name, role and chargers for a device.
// Collects every fault instead of stopping at the first, and says what was expected. Pure; never touches a file.

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import type { ConfigFault } from '../model/errors.ts'
import { type Role, roles } from '../model/server/admission.ts'
import { chargerNameRule, isChargerName } from '../model/wire/topics.ts'
import { certificateChargersMax, certificateDaysDefault } from './limits.ts'

export const hostsDefault: readonly string[] = ['localhost', '127.0.0.1']

/** What somebody asks for, as typed; "" where nothing was said. */
export interface DeviceDraft {
  readonly name: string
  readonly role: string
  readonly chargers: readonly string[]
  readonly days: string
}
export type DeviceField = keyof DeviceDraft

/** A draft that may be issued. */
export interface DevicePlan {
  readonly name: string
  readonly role: Role
  /** Empty: its own name for an edge, all for the other roles. */
  readonly chargers: readonly string[]
  readonly days: number
}

/** Longest lifetime that may be given, and why it ends there. */
export interface DaysLimit {
  readonly days: number
  readonly reason: string
}

/** The plan of a draft; its faults go to `faults`, with the path that `pathOf` gives to each field. */
export function planDevice(
  draft: DeviceDraft,
  limit: DaysLimit,
  pathOf: (field: DeviceField) => string,
  faults: ConfigFault[]
): DevicePlan {
  const fault = (field: DeviceField, expected: string, found: string): void => {
    faults.push({ path: pathOf(field), expected, found })
  }
  checkName(draft.name, fault)
  const role = checkRole(draft.role, fault)
  const chargers = checkChargers(draft.chargers, role, fault)
  return { name: draft.name, role, chargers, days: checkDays(draft.days, limit, fault) }
}

type AddFault = (field: DeviceField, expected: string, found: string) => void

function checkName(name: string, fault: AddFault): void {
  if (!isChargerName(name)) fault('name', `a device name: ${chargerNameRule}`, quoted(name))
}

function checkRole(text: string, fault: AddFault): Role {
  const role = text === '' ? 'edge' : roles.find(known => known === text)
  if (role === undefined) fault('role', roles.join(' | '), quoted(text))
  return role ?? 'edge'
}

function checkChargers(names: readonly string[], role: Role, fault: AddFault): string[] {
  for (const name of names) {
    if (!isChargerName(name)) fault('chargers', `a charger name: ${chargerNameRule}`, quoted(name))
  }
  if (role === 'operator' && names.length > 0) {
    fault('chargers', 'none with the role operator, which reads every charger', quoted(names.join(' ')))
  }
  const chargers = [...new Set(names)]
  if (chargers.length > certificateChargersMax) {
    fault('chargers', `at most ${certificateChargersMax} in one certificate`, String(chargers.length))
  }
  return chargers
}

function checkDays(text: string, limit: DaysLimit, fault: AddFault): number {
  const days = text === '' ? certificateDaysDefault : Number(text)
  if (limit.days < 1) {
    fault('days', `a CA that lives for another day at least (${limit.reason}): make a new one in another --dir`, 'none')
  } else if (!/^\d*$/.test(text) || days < 1 || days > limit.days) {
    const found = text === '' ? `${days}, the default` : quoted(text)
    fault('days', `a whole number of days from 1 to ${limit.days} (${limit.reason})`, found)
  }
  return days
}

/** The hosts in their normal form, each once, in order; the faults go to `faults`. */
export function planHosts(hosts: readonly string[], faults: ConfigFault[]): string[] {
  const normal = hosts.map(host => {
    const found = normalHost(host)
    if (found === undefined) {
      faults.push({ path: '--host', expected: 'a host name or an IP address, without port', found: quoted(host) })
    }
    return found ?? host
  })
  if (hosts.length === 0) faults.push({ path: '--host', expected: 'at least one host', found: 'none' })
  return [...new Set(normal)]
}

const hostPattern =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** Lower case, ASCII (xn--), IPv6 in its short form; undefined for what is no host. */
export function normalHost(host: string): string | undefined {
  // A zone (fe80::1%eth0) means something on one machine only.
  if (isIP(host) === 6) return host.includes('%') ? undefined : new URL(`http://[${host}]`).hostname.slice(1, -1)
  if (isIP(host) === 4) return host
  const ascii = domainToASCII(host).toLowerCase()
  // "1.2.3" would come out as the address 1.2.0.3: surely a slip of the finger.
  return hostPattern.test(ascii) && isIP(ascii) === 0 ? ascii : undefined
}

/** For messages: short, on one line, nothing invisible. */
export const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
