// The index of every certificate issued to a device: one JSON line each, in order of issue, in `devices.jsonl`.
// Promises that a certificate stands here before it exists, so that none can be forgotten when it must be revoked.
// Lines are only ever added.

import { z } from 'zod'
import { ConfigError } from '../../model/errors.ts'
import { roles } from '../../model/server/admission.ts'
import { appendLine, authorityFiles, readIfThere } from '../files.ts'

const issuedLine = z.object({
  name: z.string(),
  role: z.enum(roles),
  chargers: z.array(z.string()),
  /** Upper-case hexadecimal, as Node's `X509Certificate.serialNumber`. */
  serial: z.string().regex(/^[0-9A-F]+$/),
  notAfter: z.iso.datetime(),
  issuedAt: z.iso.datetime(),
  /** The device made its key itself, and sent a request: the key was never here. */
  ownKey: z.literal(true).optional()
})
export type IssuedCertificate = Readonly<z.infer<typeof issuedLine>>

export interface ListedDevice extends IssuedCertificate {
  /** A later certificate was issued to the same name. This one stays valid until it ends or is revoked. */
  readonly replaced: boolean
}

/** Call before the certificate is written. */
export const recordIssued = (dir: string, issued: IssuedCertificate): Promise<void> =>
  appendLine(authorityFiles(dir).issued, JSON.stringify(issued))

/**
 * Everything ever issued to devices, in order of issue, whether or not the files still exist.
 * Throws ConfigError that names every line that cannot be read.
 */
export async function listDevices(dir: string): Promise<readonly ListedDevice[]> {
  const path = authorityFiles(dir).issued
  const lines = ((await readIfThere(path)) ?? '').split('\n').map((text, index) => ({ text, number: index + 1 }))
  const parsed = lines
    .filter(({ text }) => text !== '')
    .map(({ text, number }) => ({ number, issued: parseLine(text) }))
  const faults = parsed.filter(({ issued }) => issued === undefined)
  if (faults.length > 0) {
    const expected = 'a line about an issued certificate (restore it, or delete what a crash left half written)'
    throw new ConfigError(faults.map(({ number }) => ({ path: `${path} line ${number}`, expected, found: 'another' })))
  }
  return markReplaced(parsed.flatMap(({ issued }) => issued ?? []))
}

function markReplaced(all: readonly IssuedCertificate[]): ListedDevice[] {
  const newest = new Map(all.map(issued => [issued.name, issued]))
  return all.map(issued => ({ ...issued, replaced: newest.get(issued.name) !== issued }))
}

function parseLine(text: string): IssuedCertificate | undefined {
  try {
    return issuedLine.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
