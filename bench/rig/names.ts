// Chooses the names of a fleet. If the folder has a CA key, each run gets new names. Otherwise the fleet uses the names
// whose certificates were issued into the folder.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../../src/model/errors.ts'

export interface FleetNames {
  readonly names: readonly string[]
  /**
   * The common beginning of the new names. No other charger's name begins with it. Empty for names that were issued
   * before.
   */
  readonly prefix: string
}

let runs = 0

export function fleetNames(certs: string, count: number): FleetNames {
  if (existsSync(join(certs, 'ca.key'))) {
    const prefix = `bench-${process.pid.toString(36)}${Date.now().toString(36).slice(-5)}${(runs++).toString(36)}-`
    return { prefix, names: Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(5, '0')}`) }
  }
  const names = issuedNames(join(certs, 'devices')).slice(0, count)
  if (names.length < count) {
    const expected = `a folder with ca.key, or with ${count} devices (devices/NAME.pem and NAME.key)`
    throw new ConfigError([{ path: '--certs', expected, found: `${names.length} devices in ${certs}` }])
  }
  return { prefix: '', names }
}

function issuedNames(folder: string): string[] {
  if (!existsSync(folder)) return []
  const files = new Set(readdirSync(folder))
  return [...files]
    .filter(file => file.endsWith('.pem') && files.has(file.replace(/pem$/, 'key')))
    .map(file => file.slice(0, -'.pem'.length))
    .sort()
}
