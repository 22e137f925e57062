// Reads certificate revocation lists and answers, for one certificate, whether it is revoked.
// Promises that every list was signed by one of the given CA certificates, and that asking costs two hash look-ups.
// Never looks at a clock: whether an expired list still counts is the caller's decision (locking out a fleet is worse).
// Reads DER itself: a library on a list of thousands takes seconds, or stops at its own limit of ASN.1 nodes.

import { verify, X509Certificate } from 'node:crypto'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import {
  childrenOf,
  type DerElement,
  DerError,
  expectTag,
  isTime,
  readDer,
  readOid,
  readTime,
  tagBitString,
  tagBoolean,
  tagContext0,
  tagInteger,
  tagOid,
  tagSequence
} from '../der.ts'
import { isCutOff, pemBlocks } from '../pem.ts'

export interface Revocation {
  /**
   * Both as `tls` gives them: `.issuer` and `.serialNumber` of `getPeerX509Certificate()`. Ask on every connection,
   * a resumed TLS session included, for resuming skips the verification of certificates.
   */
  isRevoked(issuer: string, serialHex: string): boolean
  /** The dates of an issuer's newest list; undefined where it has none, and so has revoked nobody. */
  datesOf(issuer: string): ListDates | undefined
  /** Issuers with a list, in a form that `datesOf` takes. */
  readonly issuers: readonly string[]
  /** When the oldest of the issuers' lists was made, ms since the Unix epoch. */
  readonly thisUpdateMs: number
  /** When the first list ends that has no successor, ms since the Unix epoch; Infinity where no list ends. */
  readonly nextUpdateMs: number
  /** Certificates revoked in all. */
  readonly count: number
}

/** In ms since the Unix epoch; `nextUpdateMs` is Infinity where the list has no end. */
export interface ListDates {
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
}

export interface RevocationPaths {
  /** What the faults of a ConfigError name: file paths, as a rule. */
  readonly crl: string
  readonly ca: string
}

/**
 * The lists in `crlPem` (at least one; `X509 CRL` or `CRL` blocks), each signed by one of the certificates in `caPem`.
 * A certificate that any of them lists is revoked. Throws ConfigError on garbage, on a list of another signer, and on a
 * list that is not complete (delta or partitioned: a critical extension, RFC 5280, 5.2).
 */
export function parseRevocation(
  crlPem: string,
  caPem: string,
  paths: RevocationPaths = { crl: 'CRL', ca: 'CA' }
): Revocation {
  return combine(readLists(crlPem, caPem, paths))
}

/** The lists themselves, each checked as for `parseRevocation`, in the order of the file. */
export function readLists(
  crlPem: string,
  caPem: string,
  paths: RevocationPaths = { crl: 'CRL', ca: 'CA' }
): readonly SignedList[] {
  const authorities = parseAuthorities(caPem, paths.ca)
  const blocks = pemBlocks(crlPem, 'X509 CRL', 'CRL')
  if (blocks.length === 0) throw configError(paths.crl, 'a PEM block "X509 CRL"', 'none')
  if (isCutOff(crlPem)) throw configError(paths.crl, 'whole PEM blocks', 'one without its end')
  return blocks.map(block => parseList(block, authorities, paths))
}

/** The form in which issuers and serials are compared: what X.500 treats as equal is equal. Errs towards revoked. */
export const normalIssuer = (issuer: string): string =>
  issuer
    .trim()
    .replace(/[ \t]+/g, ' ')
    .toLowerCase()
export const normalSerial = (serialHex: string): string => serialHex.replace(/^0+(?=.)/, '').toUpperCase()

interface SignedList extends ListDates {
  /** In normal form. */
  readonly issuer: string
  readonly serials: readonly string[]
  /** DER of the entries, to be taken over into the next list. */
  readonly entries: readonly Uint8Array[]
  readonly signer: X509Certificate
  /** DER. */
  readonly block: Buffer
}

function combine(lists: readonly SignedList[]): Revocation {
  const revoked = new Map<string, Set<string>>()
  const dates = new Map<string, ListDates>()
  for (const { issuer, serials, thisUpdateMs, nextUpdateMs } of lists) {
    const known = revoked.get(issuer) ?? new Set()
    for (const serial of serials) known.add(serial)
    revoked.set(issuer, known)
    if (thisUpdateMs >= (dates.get(issuer)?.thisUpdateMs ?? thisUpdateMs))
      dates.set(issuer, { thisUpdateMs, nextUpdateMs })
  }
  const newest = [...dates.values()]
  return {
    isRevoked: (issuer, serialHex) => revoked.get(normalIssuer(issuer))?.has(normalSerial(serialHex)) ?? false,
    datesOf: issuer => dates.get(normalIssuer(issuer)),
    issuers: [...dates.keys()],
    thisUpdateMs: Math.min(...newest.map(list => list.thisUpdateMs)),
    nextUpdateMs: Math.min(...newest.map(list => list.nextUpdateMs)),
    count: [...revoked.values()].reduce((sum, serials) => sum + serials.size, 0)
  }
}

interface Authority {
  readonly certificate: X509Certificate
  /** DER of the subject: equal bytes are the same name. */
  readonly subject: Buffer
}

function parseAuthorities(caPem: string, path: string): Authority[] {
  const blocks = pemBlocks(caPem, 'CERTIFICATE')
  if (blocks.length === 0) throw configError(path, 'at least one PEM block "CERTIFICATE"', 'none')
  try {
    return blocks.map(block => ({ certificate: new X509Certificate(block), subject: subjectOf(block) }))
  } catch (cause) {
    throw configError(path, 'certificates', 'one that cannot be read', cause)
  }
}

/** DER of the subject. TBSCertificate: [0] version, serial, algorithm, issuer, validity, subject (RFC 5280, 4.1). */
export function subjectOf(certificate: Buffer): Buffer {
  const [tbs] = childrenOf(readDer(certificate))
  const fields = childrenOf(tbs)
  const subjectAt = fields[0]?.tag === tagContext0 ? 5 : 4
  return expectTag(fields[subjectAt], tagSequence).bytes
}

function parseList(block: Buffer, authorities: readonly Authority[], paths: RevocationPaths): SignedList {
  try {
    const crl = takeApart(block)
    const { certificate } = signerOf(crl, authorities, paths)
    refuseCritical(crl.extensions)
    return {
      // Node writes both names in the same form, so the CA's subject is what its certificates say as issuer.
      issuer: normalIssuer(certificate.subject),
      serials: crl.entries.map(serialOf),
      entries: crl.entries.map(({ bytes }) => bytes),
      thisUpdateMs: crl.thisUpdateMs,
      nextUpdateMs: crl.nextUpdateMs,
      signer: certificate,
      block
    }
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause
    throw configError(paths.crl, 'a complete X.509 CRL', `one that cannot be used (${cause.message})`, cause)
  }
}

interface CrlParts {
  readonly signed: Buffer
  readonly algorithm: string
  readonly signature: Buffer
  readonly issuer: DerElement
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
  readonly entries: readonly DerElement[]
  readonly extensions: DerElement | undefined
}

/** CertificateList and TBSCertList (RFC 5280, 5.1). */
function takeApart(block: Buffer): CrlParts {
  const [tbs, algorithm, signature] = childrenOf(readDer(block))
  const fields = childrenOf(tbs)
  if (fields[0]?.tag === tagInteger) fields.shift()
  const [tbsAlgorithm, issuer, thisUpdate, ...optional] = fields
  const nextUpdate = isTime(optional[0]) ? optional.shift() : undefined
  const revoked = optional[0]?.tag === tagSequence ? optional.shift() : undefined
  const extensions = optional[0]?.tag === tagContext0 ? optional.shift() : undefined
  if (optional.length > 0) throw new DerError('an unknown field')
  if (!expectTag(algorithm, tagSequence).bytes.equals(expectTag(tbsAlgorithm, tagSequence).bytes)) {
    throw new DerError('two different signature algorithms')
  }
  return {
    signed: expectTag(tbs, tagSequence).bytes,
    algorithm: oidOf(childrenOf(algorithm)[0]),
    signature: bitsOf(signature),
    issuer: expectTag(issuer, tagSequence),
    thisUpdateMs: readTime(thisUpdate),
    nextUpdateMs: nextUpdate === undefined ? Number.POSITIVE_INFINITY : readTime(nextUpdate),
    entries: revoked === undefined ? [] : childrenOf(revoked),
    extensions: extensions === undefined ? undefined : childrenOf(extensions, tagContext0)[0]
  }
}

/** The first byte of a BIT STRING counts unused bits: none in a signature. */
function bitsOf(element: DerElement | undefined): Buffer {
  const { content } = expectTag(element, tagBitString)
  if (content[0] !== 0) throw new DerError('a signature that is no whole bytes')
  return content.subarray(1)
}

function serialOf(entry: DerElement): string {
  const [serial, , extensions] = childrenOf(entry)
  // A critical one here says that the entry is about another CA's certificate (RFC 5280, 5.3.3).
  refuseCritical(extensions)
  return normalSerial(expectTag(serial, tagInteger).content.toString('hex'))
}

function refuseCritical(extensions: DerElement | undefined): void {
  if (extensions === undefined) return
  for (const extension of childrenOf(extensions)) {
    const [oid, critical] = childrenOf(extension)
    if (critical?.tag === tagBoolean && critical.content[0] !== 0) {
      throw new DerError(`critical extension ${oidOf(oid)}: a delta or partitioned list`)
    }
  }
}

function signerOf(crl: CrlParts, authorities: readonly Authority[], paths: RevocationPaths): Authority {
  const named = authorities.filter(({ subject }) => subject.equals(crl.issuer.bytes))
  const signer = named.find(({ certificate }) => isSignedBy(crl, certificate))
  if (signer !== undefined) return signer
  const found = named.length > 0 ? 'one with a wrong signature' : 'one of another issuer'
  throw configError(paths.crl, `a CRL signed by a certificate in ${paths.ca}`, `${found} (${nameText(crl.issuer)})`)
}

/** Digest by signature algorithm (RFC 5758, 8017, 8410); null where the algorithm has its own. */
const digests: Readonly<Record<string, string | null>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.3.101.112': null,
  '1.3.101.113': null
}

function isSignedBy(crl: CrlParts, { publicKey }: X509Certificate): boolean {
  const digest = digests[crl.algorithm]
  if (digest === undefined) {
    throw new DerError(`signature algorithm ${crl.algorithm}; ECDSA, RSA (PKCS #1, SHA-2) and Ed25519 are known`)
  }
  try {
    return verify(digest, crl.signed, publicKey, crl.signature)
  } catch {
    // OpenSSL throws where the key is of another kind than the algorithm: signed by someone else, then.
    return false
  }
}

const oidOf = (element: DerElement | undefined): string => readOid(expectTag(element, tagOid))

/** The values of a name for a message: `chargelift CA 1a2b3c4d`. */
const nameText = (name: DerElement): string =>
  childrenOf(name)
    .flatMap(part => childrenOf(part, 0x31))
    .map(attribute => childrenOf(attribute)[1]?.content.toString('utf8') ?? '')
    .join(', ')

function configError(path: string, expected: string, found: string, cause?: unknown): ConfigError {
  const fault: ConfigFault = { path, expected, found }
  return new ConfigError([fault], { cause })
}
