// The keys of TLS sessions that several processes share, so that a session of one process resumes at any other. The
// keys are never sent: each process derives the same ones from the server's private key, the day and the trusted CAs.
// So they change every day, and a process that no longer trusts a CA never resumes a session of one that still does.

import { createHash, hkdfSync } from 'node:crypto'

const dayMs = 86_400_000
const keyBytes = 48

export function sharedTicketKeys({ key, ca }: { readonly key: Buffer; readonly ca: Buffer }, nowMs: number): Buffer {
  const day = Math.floor(nowMs / dayMs)
  return Buffer.from(hkdfSync('sha256', key, trustedOf(ca), `chargelift session tickets ${day}`, keyBytes))
}

/** The same for the same certificates, in whatever order and form their file has them. */
function trustedOf(ca: Buffer): Buffer {
  const certificates = ca.toString().match(/-----BEGIN CERTIFICATE-----[^-]+/g) ?? []
  const bodies = certificates.map(text => text.replace(/\s/g, '')).sort()
  return createHash('sha256').update(bodies.join()).digest()
}
