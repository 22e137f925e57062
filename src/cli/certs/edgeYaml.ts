// Writes the edge.yaml of a bundle. The file is complete if all settings were given. Otherwise it has placeholders
// where an installer must fill in settings.

import { devKeyOf, driverNames } from '../../edge/chargers/registry.ts'
import type { ConfigFault } from '../../model/errors.ts'
import type { BundledDevice } from '../../pki/authority/bundle.ts'
import { quoted } from '../../pki/names.ts'

/**
 * The flags' values as typed. A driver, url or devKey belongs to one charger (`CHARGER=VALUE`). Without a name it
 * belongs to the only charger of the edge.
 */
export interface EdgeSettings {
  /** Default: the first host of the server's certificate that is not a loopback address. */
  readonly broker: string | undefined
  readonly drivers: readonly string[]
  readonly urls: readonly string[]
  readonly devKeys: readonly string[]
}

const portDefault = 8883
const driverDefault = 'mennekes-amtron'
const urlMissing = 'http://ADDRESS-OF-THE-CHARGER:25000'
const keyMissing = 'PIN-1'
const stateFolder = '/var/lib/chargelift-edge'

/**
 * Returns the text of the file, and the names of the settings that must still be filled in (`missing`). Adds faults to
 * `faults`.
 */
export function edgeYaml(
  device: BundledDevice,
  settings: EdgeSettings,
  faults: ConfigFault[]
): { yaml: string; missing: readonly string[] } {
  const { name, chargers } = device
  const drivers = perCharger('--driver', settings.drivers, chargers, faults)
  const urls = perCharger('--url', settings.urls, chargers, faults)
  const devKeys = perCharger('--dev-key', settings.devKeys, chargers, faults)
  const missing: string[] = []
  const entries = chargers.map(charger => {
    const driver = drivers.get(charger) ?? driverDefault
    if (!driverNames.includes(driver)) {
      faults.push({ path: '--driver', expected: driverNames.join(' | '), found: quoted(driver) })
    }
    const url = urls.get(charger)
    if (url === undefined) missing.push(`url of ${charger}`)
    else if (!/^https?:\/\/[^/\s]+/.test(url))
      faults.push({ path: '--url', expected: 'http://HOST:PORT', found: quoted(url) })
    const keyIs = devKeyOf(driver)
    const key = devKeys.get(charger)
    if (keyIs !== undefined && key === undefined) missing.push(`devKey of ${charger} (${keyIs})`)
    const lines = [`  - name: ${text(charger)}`, `    driver: ${text(driver)}`, `    url: ${text(url ?? urlMissing)}`]
    return [...lines, ...(keyIs === undefined ? [] : [`    devKey: ${text(key ?? keyMissing)}`])].join('\n')
  })
  const yaml = `# Edge ${name}. Paths are relative to this file; edge.example.yaml of the package explains every key.
broker: ${text(brokerOf(device, settings.broker, faults))}
tls:
  ca: ca.pem
  cert: ${text(`${name}.pem`)}
  key: ${text(`${name}.key`)}
spool:
  path: ${text(`${stateFolder}/${name}/spool.sqlite`)}
chargers:
${entries.join('\n')}
`
  return { yaml, missing }
}

/** JSON strings are valid YAML. */
const text = (value: string): string => JSON.stringify(value)

function brokerOf({ serverHosts }: BundledDevice, given: string | undefined, faults: ConfigFault[]): string {
  if (given !== undefined) {
    if (!/^mqtts:\/\/[^/\s]+$/.test(given))
      faults.push({ path: '--broker', expected: 'mqtts://HOST[:PORT]', found: quoted(given) })
    return given
  }
  const host = serverHosts.find(known => !isOwnMachine(known))
  if (host === undefined) {
    const expected = 'mqtts://HOST[:PORT], under which the edge reaches the server'
    faults.push({ path: '--broker', expected, found: `nothing, and no such host in the server's certificate` })
  }
  return `mqtts://${host?.includes(':') ? `[${host}]` : host}:${portDefault}`
}

const isOwnMachine = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

function perCharger(
  path: string,
  values: readonly string[],
  chargers: readonly string[],
  faults: ConfigFault[]
): Map<string, string> {
  const found = new Map<string, string>()
  for (const value of values) {
    const charger = chargers.find(name => value.startsWith(`${name}=`))
    if (charger !== undefined) found.set(charger, value.slice(charger.length + 1))
    else if (chargers.length === 1) found.set(chargers[0]!, value)
    else faults.push({ path, expected: `CHARGER=VALUE, with one of ${chargers.join(', ')}`, found: quoted(value) })
  }
  return found
}
