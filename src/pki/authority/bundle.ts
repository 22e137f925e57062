// Puts what an edge needs into one archive: CA, certificate, its configuration, and the key where it was made here.
// Promises that certificate and key fit, and that whoever is revoked gets none.

import type { ConfigFault } from '../../model/errors.ts'
import { authorityFiles, deviceFiles, readIfThere } from '../files.ts'
import { normalHost, quoted } from '../names.ts'
import { parseCertificate, parseKey } from './ca.ts'
import { listDevices } from './issued.ts'
import { revokedOf } from './revoke.ts'
import { makeTar, type TarEntry } from './tar.ts'

export interface Bundle {
  readonly tar: Buffer
  readonly hasKey: boolean
  /** Names of what is in it. */
  readonly files: readonly string[]
}

/** What a configuration is written for. */
export interface BundledDevice {
  readonly name: string
  /** At least one. */
  readonly chargers: readonly string[]
  /** Names and addresses in the server's certificate, where it is here. */
  readonly serverHosts: readonly string[]
}

/** Who owns the files where root unpacks them: the user of the edge's service. */
const owner = 'chargelift-edge'

/** Undefined with faults, which go to `faults`. `configOf` writes edge.yaml, and may find more faults. */
export async function makeBundle(
  dir: string,
  name: string,
  faults: ConfigFault[],
  configOf: (device: BundledDevice) => string
): Promise<Bundle | undefined> {
  const device = (await listDevices(dir)).findLast(listed => listed.name === name)
  const fault = (path: string, expected: string, found: string): undefined => {
    faults.push({ path, expected, found })
  }
  if (device === undefined)
    return fault('NAME', 'a device that has a certificate (certs list shows them)', quoted(name))
  if ((await revokedOf(dir))(device)) return fault('NAME', 'a device that is not revoked', `${name}, revoked`)
  if (device.role !== 'edge') return fault('NAME', 'a device with the role edge', `${name}, ${device.role}`)
  const paths = deviceFiles(dir, name)
  const [ca, certificatePem, keyPem, server] = await Promise.all(
    [authorityFiles(dir).ca, paths.certificate, paths.key, authorityFiles(dir).server].map(readIfThere)
  )
  const certificate = parseCertificate(certificatePem ?? '')
  if (ca === undefined) fault(authorityFiles(dir).ca, 'the CA', 'no file')
  if (certificate === undefined)
    fault(paths.certificate, `the certificate of ${name}`, certificatePem === undefined ? 'no file' : 'something else')
  const key = parseKey(keyPem ?? '')
  const hasKey = key !== undefined && certificate?.checkPrivateKey(key) === true
  if (!hasKey && device.ownKey === undefined && certificate !== undefined) {
    const expected =
      `the key of ${name}, which was made here ` +
      '(or, for a key that the device makes: edge enroll there, certs sign here)'
    fault(paths.key, expected, key === undefined ? 'none' : 'the key of another certificate')
  }
  const chargers = device.chargers.length > 0 ? device.chargers : [name]
  const yaml = configOf({ name, chargers, serverHosts: hostsOf(server) })
  if (faults.length > 0) return undefined
  const files: TarEntry[] = [
    { path: 'ca.pem', mode: 0o644, owner, content: ca! },
    { path: `${name}.pem`, mode: 0o644, owner, content: certificatePem! },
    ...(hasKey ? [{ path: `${name}.key`, mode: 0o600, owner, content: keyPem! }] : []),
    { path: 'edge.yaml', mode: 0o640, owner, content: yaml } // it may hold the key of a charger
  ]
  const entries = files.map(file => ({ ...file, path: `${name}/${file.path}` }))
  const timeS = Math.floor(Date.parse(device.issuedAt) / 1000)
  const tar = makeTar([{ path: `${name}/`, mode: 0o750, owner }, ...entries], timeS)
  return { tar, hasKey, files: files.map(({ path }) => path) }
}

function hostsOf(serverPem: string | undefined): string[] {
  const names = parseCertificate(serverPem ?? '')?.subjectAltName ?? ''
  return names.split(', ').flatMap(entry => normalHost(entry.replace(/^(?:DNS|IP Address):/, '')) ?? [])
}
