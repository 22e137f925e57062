// Is the other side the server, although its certificate is not yet valid by the clock of this machine? A Raspberry Pi
// without a battery may wake up years ago, and if NTP is blocked, only the server can tell the time. Only an untrusted
// clock, and only this one fault of a certificate, come here. OpenSSL reports the last fault that it finds, and checks
// the time last: "not yet valid" says nothing about signature, purpose and name. So all of it is checked here, and
// more strictly: signed by the authority itself, made for a server, the host among its names, and not expired at any
// possible time.

import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { builtMs, type EdgeTime } from '../time/clock.ts'

/** The name of that fault in Node and OpenSSL. */
export const notYetValid = 'CERT_NOT_YET_VALID'

/** True for a certificate to accept in spite of that fault. */
export type AcceptsEarly = (certificate: X509Certificate) => boolean

const serverAuth = '1.3.6.1.5.5.7.3.1'

/** Undefined if the clock of this machine is right: then TLS alone decides. */
export function acceptsEarly(host: string, ca: string, time: Pick<EdgeTime, 'state' | 'isConfirmed' | 'now'>) {
  if (time.state === 'synchronised') return undefined
  const authorities = pemsOf(ca).map(pem => new X509Certificate(pem))
  // After the server has told the time, that time counts, whatever the clock of this machine says.
  const nowMs = time.isConfirmed ? time.now() : undefined
  return (certificate: X509Certificate): boolean =>
    isOfHost(certificate, host) &&
    !certificate.ca &&
    // Node calls the extended key usage keyUsage; none means no permission here.
    (certificate.keyUsage as string[] | undefined)?.includes(serverAuth) === true &&
    mayBeNow(certificate, nowMs) &&
    authorities.some(authority => mayBeNow(authority, nowMs) && isSignedBy(certificate, authority))
}

const pemsOf = (bundle: string): string[] =>
  bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []

/** Uses the list of names alone: the CN is not a host name. */
const isOfHost = (certificate: X509Certificate, host: string): boolean =>
  (isIP(host) === 0 ? certificate.checkHost(host, { subject: 'never' }) : certificate.checkIP(host)) !== undefined

const isSignedBy = (certificate: X509Certificate, authority: X509Certificate): boolean =>
  authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)

/** A certificate that ended before this software was made has expired, whatever the time is. */
const mayBeNow = ({ validFromDate, validToDate }: X509Certificate, nowMs: number | undefined): boolean =>
  nowMs === undefined
    ? validToDate.getTime() > builtMs
    : validFromDate.getTime() <= nowMs && nowMs < validToDate.getTime()
