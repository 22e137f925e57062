// Makes certificates for tests that no command of ours makes: other CAs, intermediates, wrong names, dates and usages.

import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000
export const { clientAuth, serverAuth } = x509.ExtendedKeyUsage

/** Signs other certificates. `pem` is the signer's own certificate. */
export interface Signer {
  readonly pem: string
  readonly keyPem: string
  readonly subject: x509.Name
  readonly keys: webcrypto.CryptoKeyPair
}

/** `pem` is the certificate and `keyPem` its key as PKCS #8. */
export interface Odd {
  readonly pem: string
  readonly keyPem: string
}

export interface OddOptions {
  /** Default: one CN with the name. */
  readonly subject?: x509.JsonNameParams
  readonly usages?: readonly string[]
  readonly chargers?: readonly string[]
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  readonly isCa?: boolean
}

/** A CN with exactly this text. The library would read a plain text that begins with # as hexadecimal. */
export const cn = (...names: string[]): x509.JsonNameParams => names.map(name => ({ CN: [{ utf8String: name }] }))

const makeKeys = async (): Promise<webcrypto.CryptoKeyPair> =>
  (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair

/** Loads the CA of a folder that `certs init` made. */
export async function signerOf(pem: string, keyPem: string): Promise<Signer> {
  const certificate = new x509.X509Certificate(pem)
  const der = Buffer.from(keyPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign'])
  const publicKey = await certificate.publicKey.export(algorithm, ['verify'], webcrypto as never)
  return { pem, keyPem, subject: certificate.subjectName, keys: { privateKey, publicKey } as webcrypto.CryptoKeyPair }
}

/** Makes a self-signed root that is valid from yesterday. */
export async function makeRoot(name: string, { notAfterMs = Date.now() + 30 * dayMs } = {}): Promise<Signer> {
  const keys = await makeKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: algorithm,
    extensions: await caExtensions(keys)
  })
  return { pem: pemOf(certificate), keyPem: await keyPemOf(keys), subject: certificate.subjectName, keys }
}

export async function makeIntermediate(issuer: Signer, name: string, options: OddOptions = {}): Promise<Signer> {
  const keys = await makeKeys()
  const certificate = await generate(issuer, keys, { subject: cn(name), isCa: true, usages: [], ...options })
  return { pem: pemOf(certificate), keyPem: await keyPemOf(keys), subject: certificate.subjectName, keys }
}

export async function makeOdd(issuer: Signer, name: string, options: OddOptions = {}): Promise<Odd> {
  const keys = await makeKeys()
  const certificate = await generate(issuer, keys, { subject: cn(name), ...options })
  return { pem: pemOf(certificate), keyPem: await keyPemOf(keys) }
}

async function generate(
  issuer: Signer,
  keys: webcrypto.CryptoKeyPair,
  options: OddOptions
): Promise<x509.X509Certificate> {
  const { subject = [], usages = [clientAuth], chargers = [], isCa = false } = options
  const { notBeforeMs = Date.now() - dayMs, notAfterMs = Date.now() + 7 * dayMs } = options
  const names = chargers.map(charger => ({ type: 'url' as const, value: `urn:chargelift:charger:${charger}` }))
  return x509.X509CertificateGenerator.create({
    subject: new x509.Name(subject),
    issuer: issuer.subject,
    serialNumber: `4${randomBytes(15).toString('hex').slice(1)}`,
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      ...(isCa ? await caExtensions(keys) : [new x509.BasicConstraintsExtension(false, undefined, true)]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
      ...(usages.length > 0 ? [new x509.ExtendedKeyUsageExtension([...usages])] : []),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [])
    ]
  })
}

const caExtensions = async ({ publicKey }: webcrypto.CryptoKeyPair): Promise<x509.Extension[]> => [
  new x509.BasicConstraintsExtension(true, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  await x509.SubjectKeyIdentifierExtension.create(publicKey)
]

const pemOf = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`

async function keyPemOf({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`
}
