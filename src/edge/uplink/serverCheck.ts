// Is that the server, although its certificate begins in the future of this machine's clock? A Raspberry Pi without a
// battery may wake up years ago, and where NTP is blocked only the server can tell the time: a server that is refused
// for the time would never be heard. Only where the clock cannot be trusted, and only this one fault of a certificate,
// is looked at again. OpenSSL reports the last fault that it finds, and looks at the time last: "not yet valid" says
// nothing about the signature, the purpose and the name. So all of it is checked here, and more strictly: signed by the
// authority itself, made for a server, the host among its names, and not expired at any time that this can be.

import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { builtMs, type EdgeTime } from '../time/clock.ts'

/** Node's and OpenSSL's name of that fault. */
export const notYetValid = 'CERT_NOT_YET_VALID'

/** True for a certificate that is to be taken in spite of it. */
export type AcceptsEarly = (certificate: X509Certificate) => boolean

const serverAuth = '1.3.6.1.5.5.7.3.1'

/** Undefined where this machine's clock is right: then TLS alone decides. */
export function acceptsEarly(host: string, ca: string, time: Pick<EdgeTime, 'state' | 'isConfirmed' | 'now'>) {
  if (time.state === 'synchronised') return undefined
  const authorities = pemsOf(ca).map(pem => new X509Certificate(pem))
  // Once the server has told the time it counts, whatever this machine's clock says.
  const nowMs = time.isConfirmed ? time.now() : undefined
  return (certificate: X509Certificate): boolean =>
    isOfHost(certificate, host) &&
    !certificate.ca &&
    // The extended key usage, as Node has it; none is no permission here.
    (certificate.keyUsage as string[] | undefined)?.includes(serverAuth) === true &&
    mayBeNow(certificate, nowMs) &&
    authorities.some(authority => mayBeNow(authority, nowMs) && isSignedBy(certificate, authority))
}

const pemsOf = (bundle: string): string[] =>
  bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []

/** By its list of names alone: the CN is no place for one. */
const isOfHost = (certificate: X509Certificate, host: string): boolean =>
  (isIP(host) === 0 ? certificate.checkHost(host, { subject: 'never' }) : certificate.checkIP(host)) !== undefined

const isSignedBy = (certificate: X509Certificate, authority: X509Certificate): boolean =>
  authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)

/** What ended before this software was made has expired, whatever the time is. */
const mayBeNow = ({ validFromDate, validToDate }: X509Certificate, nowMs: number | undefined): boolean =>
  nowMs === undefined
    ? validToDate.getTime() > builtMs
    : validFromDate.getTime() <= nowMs && nowMs < validToDate.getTime()
