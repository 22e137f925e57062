// Decides which certificates a server accepts, from its CA certificates and revocation lists, on every connection.
// Refuses a certificate that has ended, that is revoked or under a revoked intermediate, or whose CA is no longer
// trusted; on full and on resumed handshakes alike, because resuming skips all verification of TLS.
// Verifies signatures where TLS has not just done so. An intermediate counts only when it stands in the file of CAs
// beside its root: intermediates that a client sends cannot be seen here, so they could not be revoked.
// Never reads a file.

import { X509Certificate } from 'node:crypto'
import { ConfigError, type ConfigFault, DeniedError } from '../../model/errors.ts'
import { isoDay } from '../../model/isoDay.ts'
import { isCutOff, pemBlocks } from '../pem.ts'
import { clockSkewMs } from './limits.ts'
import { normalIssuer, parseRevocation, type Revocation, type RevocationPaths } from './revocation.ts'

export interface TrustOptions {
  readonly caPem: string
  readonly crlPem: string
  readonly paths: RevocationPaths
  readonly nowMs: number
  /**
   * Refuses certificates of a CA without a list in force. Without it an expired list counts until a newer one comes.
   */
  readonly crlStrict: boolean
  /** What is in force: the new one must not say less than it. */
  readonly former?: Trust | undefined
}

interface Authority {
  readonly certificate: X509Certificate
  readonly validFromMs: number
  readonly validToMs: number
  readonly isRoot: boolean
}

const chainLengthMax = 8

export class Trust {
  readonly revocation: Revocation
  readonly #crlStrict: boolean
  /** Of `ca.pem`, by subject: several CAs may have one name. */
  readonly #authorities: ReadonlyMap<string, readonly Authority[]>

  /** Throws ConfigError with all faults: garbage, no valid CA, a list of another signer, older or missing lists. */
  static parse(options: TrustOptions): Trust {
    const { caPem, crlPem, paths, nowMs, former } = options
    const authorities = parseAuthorities(caPem, paths.ca, nowMs)
    const trust = new Trust(authorities, parseRevocation(crlPem, caPem, paths), options)
    const faults = datesFaults(trust, former, paths.crl, nowMs)
    if (faults.length > 0) throw new ConfigError(faults)
    return trust
  }

  private constructor(authorities: readonly X509Certificate[], revocation: Revocation, { crlStrict }: TrustOptions) {
    this.revocation = revocation
    this.#crlStrict = crlStrict
    this.#authorities = Map.groupBy(authorities.map(asAuthority), ({ certificate }) => certificate.subject)
  }

  /**
   * Throws DeniedError (revoked, unknown_ca, crl_expired). For a certificate that TLS has verified, now or when the
   * session began; `anew`: verify every signature, because the CAs have changed since.
   */
  judge(certificate: X509Certificate, nowMs: number, anew = false): void {
    let child = certificate
    for (let length = 0; length < chainLengthMax; length++) {
      this.#refuseRevoked(child, nowMs)
      const parent = this.#parentOf(child, nowMs, anew)
      if (parent === undefined) break
      if (parent.isRoot) return
      child = parent.certificate
    }
    throw new DeniedError(
      'unknown_ca',
      `expected a certificate of a CA that is trusted, found one of ${found(child.issuer)}`
    )
  }

  /** Whether every CA of the other one is trusted here too. */
  includes(other: Trust): boolean {
    const known = new Set([...this.#authorities.values()].flat().map(({ certificate }) => certificate.fingerprint256))
    return [...other.#authorities.values()].flat().every(({ certificate }) => known.has(certificate.fingerprint256))
  }

  /** `issuer`: of a list, in the form of `Revocation.issuers`. */
  trusts(issuer: string): boolean {
    return [...this.#authorities.keys()].some(subject => normalIssuer(subject) === issuer)
  }

  #refuseRevoked({ issuer, serialNumber }: X509Certificate, nowMs: number): void {
    if (this.revocation.isRevoked(issuer, serialNumber)) {
      throw new DeniedError('revoked', `expected a certificate that is not revoked, found serial ${serialNumber}`)
    }
    if (!this.#crlStrict) return
    const { nextUpdateMs } = this.revocation.datesOf(issuer) ?? {}
    if (nextUpdateMs === undefined || nextUpdateMs < nowMs) {
      const state = nextUpdateMs === undefined ? 'none' : `one that ended ${isoDay(new Date(nextUpdateMs))}`
      throw new DeniedError('crl_expired', `expected a revocation list in force of ${found(issuer)}, found ${state}`)
    }
  }

  #parentOf(child: X509Certificate, nowMs: number, anew: boolean): Authority | undefined {
    return this.#authorities.get(child.issuer)?.find(authority => isParent(authority, child, nowMs, anew))
  }
}

const asAuthority = (certificate: X509Certificate): Authority => ({
  certificate,
  validFromMs: certificate.validFromDate.getTime(),
  validToMs: certificate.validToDate.getTime(),
  isRoot: certificate.subject === certificate.issuer
})

function isParent(
  { certificate, validFromMs, validToMs }: Authority,
  child: X509Certificate,
  nowMs: number,
  anew: boolean
) {
  if (nowMs < validFromMs || nowMs > validToMs || !child.checkIssued(certificate)) return false
  return !anew || child.verify(certificate.publicKey)
}

function parseAuthorities(caPem: string, path: string, nowMs: number): X509Certificate[] {
  const fault = (expected: string, found: string, cause?: unknown): never => {
    throw new ConfigError([{ path, expected, found }], { cause })
  }
  const blocks = pemBlocks(caPem, 'CERTIFICATE')
  if (blocks.length === 0) fault('at least one CA certificate in PEM', 'none')
  if (isCutOff(caPem)) fault('whole PEM blocks', 'one without its end')
  const authorities = blocks.map(block => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      return fault('CA certificates in PEM', 'one that cannot be read', cause)
    }
  })
  const leaf = authorities.find(({ ca }) => !ca)
  if (leaf !== undefined) fault('certificates of CAs', `that of ${found(leaf.subject)}`)
  const isValid = ({ validFromDate, validToDate }: X509Certificate): boolean =>
    validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime()
  if (!authorities.some(isValid)) fault('a CA that is valid now', `${found(authorities[0]!.subject)}, which is not`)
  return authorities
}

/** Only a newer list replaces a list, and an ended one never replaces one in force: it is usually a bad copy. */
function datesFaults(trust: Trust, former: Trust | undefined, path: string, nowMs: number): ConfigFault[] {
  const next = trust.revocation
  const fromFuture = next.issuers.filter(issuer => next.datesOf(issuer)!.thisUpdateMs > nowMs + clockSkewMs)
  const faults = fromFuture.map(issuer =>
    fault(path, 'a list made before now', issuer, next.datesOf(issuer)!.thisUpdateMs)
  )
  if (former === undefined) return faults
  for (const issuer of former.revocation.issuers) {
    const [before, after] = [former.revocation.datesOf(issuer)!, next.datesOf(issuer)]
    if (after === undefined) {
      const expected = `a list of ${issuer}, which is trusted and has had one`
      if (trust.trusts(issuer)) faults.push({ path, expected, found: 'none' })
    } else if (after.thisUpdateMs < before.thisUpdateMs) {
      faults.push(fault(path, 'a list no older than the one in force', issuer, after.thisUpdateMs))
    } else if (after.nextUpdateMs < nowMs && before.nextUpdateMs >= nowMs) {
      faults.push(fault(path, 'a list that has not ended', issuer, after.nextUpdateMs))
    }
  }
  return faults
}

const fault = (path: string, expected: string, issuer: string, foundMs: number): ConfigFault => ({
  path,
  expected: `${expected} (${issuer})`,
  found: `one of ${new Date(foundMs).toISOString()}`
})

/** A name for a message: on one line, and short. */
const found = (name: string): string => JSON.stringify(name.replaceAll('\n', ', ').slice(0, 120))
