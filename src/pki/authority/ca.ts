// Reads the CA of a folder, and judges whether it can be used: certificate and key fit, still valid, P-256.
// Every fault is a ConfigError that names the file and says what to do. Never writes.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { isoDay } from '../../model/isoDay.ts'
import { type AuthorityFiles, readIfThere } from '../files.ts'
import type { Issuer } from './certificates.ts'

export interface CaFound {
  /** The first certificate in `ca.pem`; more may follow it, trusted but not ours. */
  readonly ca: X509Certificate | undefined
  readonly caKey: KeyObject | undefined
  /** All of `ca.pem`. */
  readonly caPem: string
}

/** Certificate and key as far as they are there. */
export async function readCa(files: AuthorityFiles, nowMs: number): Promise<CaFound> {
  const pem = await readIfThere(files.ca)
  const keyPem = await readIfThere(files.caKey)
  const ca = pem === undefined ? undefined : parseCa(files, pem, nowMs)
  const caKey = keyPem === undefined ? undefined : parseCaKey(files, keyPem)
  if (ca !== undefined && caKey !== undefined && !ca.checkPrivateKey(caKey)) {
    throwFault(files.caKey, `the key of ${files.ca}`, 'another key; restore the two files from one backup')
  }
  return { ca, caKey, caPem: pem ?? '' }
}

function parseCa(files: AuthorityFiles, pem: string, nowMs: number): X509Certificate {
  const ca = parseCertificate(pem)
  if (ca === undefined) throwFault(files.ca, 'a certificate in PEM', 'something else')
  if (!ca.ca) throwFault(files.ca, 'the certificate of a CA', `that of ${ca.subject}`)
  if (ca.validToDate.getTime() <= nowMs) {
    const advice = 'make a new CA in another --dir and issue every certificate anew'
    throwFault(files.ca, `a CA that is still valid (${advice})`, `one that ended ${isoDay(ca.validToDate)}`)
  }
  return ca
}

function parseCaKey(files: AuthorityFiles, pem: string): KeyObject {
  const key = parseKey(pem)
  if (key?.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throwFault(files.caKey, 'an unencrypted P-256 key in PEM', key?.asymmetricKeyType ?? 'none that can be read')
}

/** The CA of the folder with its key, and all of `ca.pem`; undefined with a fault. */
export async function openIssuer(
  files: AuthorityFiles,
  nowMs: number,
  faults: ConfigFault[]
): Promise<{ issuer: Issuer; caPem: string } | undefined> {
  try {
    const { ca, caKey, caPem } = await readCa(files, nowMs)
    if (ca === undefined) throwMissing(files.ca, 'a CA', '"chargelift certs init" makes a CA.')
    return { issuer: { certificate: ca, key: caKey ?? throwNoCaKey(files) }, caPem }
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause
    faults.push(...cause.faults)
    return undefined
  }
}

export function throwNoCaKey(files: AuthorityFiles): never {
  throwMissing(files.caKey, `the key of ${files.ca}`, 'This key signs: run the command where the key is kept.')
}

function throwMissing(path: string, expected: string, advice: string): never {
  throw new ConfigError([{ path, expected, found: 'no such file', sentence: `${path}: no such file. ${advice}` }])
}

export function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

export function parseKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

export function throwFault(path: string, expected: string, found: string): never {
  throw new ConfigError([{ path, expected, found }])
}

export function throwFaults(faults: readonly ConfigFault[]): void {
  if (faults.length > 0) throw new ConfigError(faults)
}
