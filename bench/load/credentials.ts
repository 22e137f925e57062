// Makes certificates for thousands of simulated chargers within a second. All chargers share one key. Each certificate
// is a copy of a first one, with another name and serial number and a new signature. Nothing is written to disk: each
// process makes its own certificates. If the folder has no CA key, the certificates that `certs issue` wrote into the
// folder are used instead.

import { createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Role } from '../../src/model/server/admission.ts'
import {
  type Issuer,
  type KeyedCertificate,
  makeDeviceCertificate,
  makeKey,
  privateKeyPem
} from '../../src/pki/authority/certificates.ts'
import { childrenOf, readDer } from '../../src/pki/der.ts'
import { encodePem } from '../../src/pki/pem.ts'

const validMs = 7 * 86_400_000

export class Credentials {
  readonly #dir: string
  readonly #ca: string
  readonly #issuer: Issuer | undefined
  readonly #role: Role
  #template: { readonly name: string; readonly made: KeyedCertificate } | undefined

  private constructor(dir: string, role: Role) {
    this.#dir = dir
    this.#role = role
    this.#ca = readFileSync(join(dir, 'ca.pem'), 'utf8')
    const keyFile = join(dir, 'ca.key')
    if (existsSync(keyFile)) {
      this.#issuer = { certificate: new X509Certificate(this.#ca), key: createPrivateKey(readFileSync(keyFile)) }
    }
  }

  /** All `names` must have the same length. */
  static async open(dir: string, names: readonly string[], role: Role = 'edge'): Promise<Credentials> {
    const credentials = new Credentials(dir, role)
    await credentials.#makeTemplate(names[0] ?? '')
    return credentials
  }

  contextOf(name: string): SecureContext {
    const { certificate, key } = this.keyedOf(name)
    return createSecureContext({ ca: this.#ca, cert: certificate, key })
  }

  keyedOf(name: string): KeyedCertificate {
    return this.#issuer === undefined ? this.#issued(name) : this.#copyFor(name)
  }

  async #makeTemplate(name: string): Promise<void> {
    if (this.#issuer === undefined) return
    const nowMs = Date.now()
    const device = { name, role: this.#role, chargers: [] }
    const key = makeKey()
    const certificate = await makeDeviceCertificate(this.#issuer, key, device, nowMs + validMs, nowMs)
    this.#template = { name, made: { certificate, key: privateKeyPem(key) } }
  }

  #issued(name: string): KeyedCertificate {
    const read = (ending: string): string => readFileSync(join(this.#dir, 'devices', `${name}.${ending}`), 'utf8')
    return { certificate: read('pem'), key: read('key') }
  }

  #copyFor(name: string): KeyedCertificate {
    const { name: templateName, made } = this.#template!
    return { certificate: renamed(made.certificate, templateName, name, this.#issuer!), key: made.key }
  }
}

/**
 * Copies the certificate with another CN of the same length and a new serial number, and signs the copy. Throws Error
 * when the new name has another length.
 */
function renamed(pem: string, name: string, newName: string, issuer: Issuer): string {
  const template = new X509Certificate(pem)
  const [body, algorithm] = childrenOf(readDer(template.raw))
  const bytes = Buffer.from(body!.bytes)
  const nameAt = bytes.indexOf(name, 0, 'latin1')
  if (newName.length !== name.length || nameAt < 0) throw new Error(`expected a name like ${name}, found ${newName}`)
  bytes.write(newName, nameAt, 'latin1')
  const serial = Buffer.from(template.serialNumber, 'hex')
  const ours = randomBytes(serial.length)
  ours[0] = (ours[0]! & 0x3f) | 0x40
  ours.copy(bytes, bytes.indexOf(serial))
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', bytes, issuer.key)])
  return encodePem('CERTIFICATE', der(0x30, bytes, algorithm!.bytes, der(0x03, signature)))
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
