// Makes certificates: P-256 keys, ECDSA with SHA-256, random serials of 16 bytes.
// Promises that what is made passes the checks of OpenSSL and of RFC 5280. Never touches a file.
// The only place of @peculiar/x509, which takes 0.1 s to load: import it when there is something to make.

// First: @peculiar/x509 needs it while it loads.
import 'reflect-metadata'
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  type X509Certificate
} from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import type { Role } from '../../model/server/admission.ts'
import { chargerUrnPrefix } from '../../model/wire/topics.ts'
import { encodePem } from '../pem.ts'
import { certificateBackdateMs } from './limits.ts'

export interface Issuer {
  readonly certificate: X509Certificate
  readonly key: KeyObject
}

/** PEM texts; `key` is PKCS #8 and secret. */
export interface KeyedCertificate {
  readonly certificate: string
  readonly key: string
}

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' }
const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags

export const makeKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

/**
 * The CA certificate of a key. Its name and key identifier come from the key, so a lost certificate can be made again
 * and everything that was issued still chains to it.
 */
export async function makeCa(key: KeyObject, notAfterMs: number, nowMs: number): Promise<string> {
  const id = await x509.SubjectKeyIdentifierExtension.create(spkiOf(key))
  const name = [{ CN: [`chargelift CA ${fingerprintOf(key)}`] }]
  const certificate = await x509.X509CertificateGenerator.create({
    subject: name,
    issuer: name,
    publicKey: spkiOf(key),
    signingKey: await signingKeyOf(key),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      id,
      new x509.AuthorityKeyIdentifierExtension(id.keyId)
    ],
    ...common(notAfterMs, nowMs)
  })
  return certificatePem(certificate)
}

/** `hosts`: at least one, in normal form. IP addresses become IP entries: clients look for them only there. */
export async function makeServerCertificate(
  issuer: Issuer,
  hosts: readonly string[],
  notAfterMs: number,
  nowMs: number
): Promise<KeyedCertificate> {
  const names = hosts.map(value => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }))
  const key = makeKey()
  const certificate = await makeLeaf(issuer, spkiOf(key), [{ CN: [commonNameOf(hosts)] }], notAfterMs, nowMs, [
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.SubjectAlternativeNameExtension(names)
  ])
  return { certificate, key: privateKeyPem(key) }
}

// RFC 5280 ends a CN at 64 characters; the names that count stand in the SAN anyway.
const commonNameMax = 64
const commonNameOf = (hosts: readonly string[]): string =>
  hosts.find(host => host.length <= commonNameMax) ?? 'chargelift server'

/** In PEM, for a key of the device: `publicKey` or the private one. */
export async function makeDeviceCertificate(
  issuer: Issuer,
  key: KeyObject,
  device: { readonly name: string; readonly role: Role; readonly chargers: readonly string[] },
  notAfterMs: number,
  nowMs: number
): Promise<string> {
  const chargers = device.chargers.map(charger => ({ type: 'url' as const, value: chargerUrnPrefix + charger }))
  const subject = [{ OU: [device.role] }, { CN: [device.name] }]
  return makeLeaf(issuer, spkiOf(key), subject, notAfterMs, nowMs, [
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    ...(chargers.length > 0 ? [new x509.SubjectAlternativeNameExtension(chargers)] : [])
  ])
}

async function makeLeaf(
  issuer: Issuer,
  publicKey: Buffer,
  subject: x509.JsonName,
  notAfterMs: number,
  nowMs: number,
  extensions: readonly x509.Extension[]
): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: new x509.X509Certificate(issuer.certificate.raw).subjectName,
    publicKey,
    signingKey: await signingKeyOf(issuer.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(digitalSignature, true),
      await x509.AuthorityKeyIdentifierExtension.create(spkiOf(issuer.key)),
      ...extensions
    ],
    ...common(notAfterMs, nowMs)
  })
  return certificatePem(certificate)
}

export const privateKeyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

const certificatePem = (certificate: x509.X509Certificate): string =>
  encodePem('CERTIFICATE', new Uint8Array(certificate.rawData))

const common = (notAfterMs: number, nowMs: number) => ({
  serialNumber: randomSerial(),
  notBefore: new Date(nowMs - certificateBackdateMs),
  notAfter: new Date(notAfterMs),
  signingAlgorithm
})

/** 16 bytes, positive, and never with a leading zero: every tool writes it with the same 32 digits. */
function randomSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}

const spkiOf = (key: KeyObject): Buffer =>
  (key.type === 'public' ? key : createPublicKey(key)).export({ type: 'spki', format: 'der' })
const fingerprintOf = (key: KeyObject): string => createHash('sha256').update(spkiOf(key)).digest('hex').slice(0, 8)
const signingKeyOf = async (key: KeyObject) => key.toCryptoKey(keyAlgorithm, false, ['sign'])
