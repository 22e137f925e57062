// Writes certificate revocation lists (RFC 5280, 5): version 2, ECDSA with SHA-256.
// A list of tens of thousands takes milliseconds: the certificate library takes minutes, so DER is written here.
// Never touches a file, and never forgets: the entries of the former list are taken over as they are.

import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto'
import {
  childrenOf,
  readDer,
  tagBitString,
  tagContext0,
  tagOctetString,
  tagSequence,
  writeDer,
  writeInteger,
  writeOid,
  writeTime
} from '../der.ts'
import { encodePem } from '../pem.ts'
import { subjectOf } from '../revocation/revocation.ts'
import type { Issuer } from './certificates.ts'

const oidEcdsaSha256 = '1.2.840.10045.4.3.2'
const oidAuthorityKeyIdentifier = '2.5.29.35'
const oidCrlNumber = '2.5.29.20'
const version2 = '01'
const tagKeyIdentifier = 0x80

/** One certificate that is not to be trusted any more, as it stands in a list. */
export const makeCrlEntry = (serialHex: string, revokedAtMs: number): Buffer =>
  writeDer(tagSequence, writeInteger(serialHex), writeTime(revokedAtMs))

/**
 * A list in PEM. `entries`: of `makeCrlEntry`, or of a former list. Its number is the time in ms: it rises even when
 * the former list is lost.
 */
export function makeCrl(
  { certificate, key }: Issuer,
  entries: readonly Uint8Array[],
  nextUpdateMs: number,
  nowMs: number
): string {
  const algorithm = writeDer(tagSequence, writeOid(oidEcdsaSha256))
  const signed = writeDer(
    tagSequence,
    writeInteger(version2),
    algorithm,
    subjectOf(certificate.raw),
    writeTime(nowMs),
    writeTime(nextUpdateMs),
    // An empty one must be absent (5.1.2.6).
    ...(entries.length > 0 ? [writeDer(tagSequence, ...entries)] : []),
    writeDer(tagContext0, writeDer(tagSequence, authorityKeyIdentifier(key), crlNumber(nowMs)))
  )
  const signature = writeDer(tagBitString, Buffer.of(0), sign('sha256', signed, key))
  // "CRL" alone, as some tools label it, is refused by OpenSSL.
  return encodePem('X509 CRL', writeDer(tagSequence, signed, algorithm, signature))
}

/** The SHA-1 of the public key's bits, as in the certificates of this CA (5.2.1; 4.2.1.2). */
function authorityKeyIdentifier(key: KeyObject): Buffer {
  const [, bits] = childrenOf(readDer(createPublicKey(key).export({ type: 'spki', format: 'der' })))
  const identifier = createHash('sha1').update(bits!.content.subarray(1)).digest()
  return extension(oidAuthorityKeyIdentifier, writeDer(tagSequence, writeDer(tagKeyIdentifier, identifier)))
}

const crlNumber = (nowMs: number): Buffer => extension(oidCrlNumber, writeInteger(nowMs.toString(16)))
const extension = (oid: string, value: Buffer): Buffer =>
  writeDer(tagSequence, writeOid(oid), writeDer(tagOctetString, value))
