// Certificates for the tests of the edge: one CA, and certificates signed by the CA or by a stranger. All certificates
// stay in memory and never touch the disk.

import 'reflect-metadata'
import { createPrivateKey, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator
} from '@peculiar/x509'

cryptoProvider.set(webcrypto as never)

type CryptoKeyPair = webcrypto.CryptoKeyPair

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface Keyed {
  /** The certificate and its key as PEM. */
  readonly cert: string
  readonly key: string
}

export interface LeafOptions {
  readonly dns?: readonly string[]
  readonly ips?: readonly string[]
  readonly uris?: readonly string[]
  /** The allowed usage. Default: the certificate states no usage. */
  readonly usage?: 'serverAuth' | 'clientAuth'
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Replaces the subject `CN=name`. */
  readonly subject?: string
}

export class TestAuthority {
  readonly #keys: CryptoKeyPair
  readonly #certificate: X509Certificate
  #serial = 1

  private constructor(keys: CryptoKeyPair, certificate: X509Certificate) {
    this.#keys = keys
    this.#certificate = certificate
  }

  static async make(): Promise<TestAuthority> {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: 'CN=test CA',
      notBefore: daysFromNow(-10),
      notAfter: daysFromNow(10),
      keys,
      signingAlgorithm: algorithm,
      extensions: [new BasicConstraintsExtension(true, undefined, true)]
    })
    return new TestAuthority(keys, certificate)
  }

  /** Loads an authority from PEM texts. It can sign certificates that our commands never sign. */
  static async load(cert: string, key: string): Promise<TestAuthority> {
    const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' })
    const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign'])
    const certificate = new X509Certificate(cert)
    const publicKey = await certificate.publicKey.export()
    return new TestAuthority({ privateKey, publicKey }, certificate)
  }

  get ca(): string {
    return this.#certificate.toString('pem')
  }

  async issue(name: string, options: LeafOptions = {}): Promise<Keyed> {
    const keys = await newKeys()
    this.#serial++
    const names = [
      ...(options.dns ?? []).map(value => ({ type: 'dns' as const, value })),
      ...(options.ips ?? []).map(value => ({ type: 'ip' as const, value })),
      ...(options.uris ?? []).map(value => ({ type: 'url' as const, value }))
    ]
    const certificate = await X509CertificateGenerator.create({
      serialNumber: this.#serial.toString(16).padStart(4, '0'),
      subject: options.subject ?? `CN=${name}`,
      issuer: this.#certificate.subject,
      notBefore: options.notBefore ?? daysFromNow(-1),
      notAfter: options.notAfter ?? daysFromNow(5),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
        ...(options.usage ? [new ExtendedKeyUsageExtension([ExtendedKeyUsage[options.usage]])] : [])
      ]
    })
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
    return { cert: certificate.toString('pem'), key: PemConverter.encode(pkcs8, 'PRIVATE KEY') }
  }
}

export const daysFromNow = (days: number): Date => new Date(Date.now() + days * 86_400_000)

const newKeys = (): Promise<CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>
