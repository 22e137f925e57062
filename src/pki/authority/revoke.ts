// Revokes certificates of devices: adds them to the revocation list of the folder, which the servers then read.
// Promises that a list only grows, that lists of other CAs in the file stay as they are, and that all faults are found
// before anything is written. Never deletes a certificate or a key.

import type { ConfigFault } from '../../model/errors.ts'
import { type AuthorityFiles, authorityFiles, readIfThere, withLock, writePublic } from '../files.ts'
import { crlDaysDefault } from '../limits.ts'
import { encodePem } from '../pem.ts'
import { normalSerial, readLists } from '../revocation/revocation.ts'
import { openIssuer, throwFault, throwFaults } from './ca.ts'
import type { Issuer } from './certificates.ts'
import { makeCrl, makeCrlEntry } from './crl.ts'
import { type IssuedCertificate, type ListedDevice, listDevices } from './issued.ts'

const dayMs = 86_400_000

export interface RevokeRequest {
  readonly dir: string
  readonly names: readonly string[]
  /** All that was issued to the names (default), only what a later certificate has replaced, or one by its serial. */
  readonly which?: 'all' | 'former' | { readonly serial: string }
  /** What the caller has found already: told together with what is found here, and nothing is revoked. */
  readonly faults?: readonly ConfigFault[]
  /** For tests; default: the clock. */
  readonly nowMs?: number
}

export interface RevokeReport {
  readonly files: AuthorityFiles
  readonly revoked: readonly ListedDevice[]
  /** They were in the list before. */
  readonly already: readonly ListedDevice[]
  /** Of the same names, not revoked and not ended: what still opens the door. */
  readonly left: readonly ListedDevice[]
}

/** Throws ConfigError with all faults at once, and then nothing is written. */
export async function revokeDevices(request: RevokeRequest): Promise<RevokeReport> {
  const { dir, nowMs = Date.now() } = request
  const files = authorityFiles(dir)
  // Before the lock, for the lock makes the folder, and a mistyped --dir must not appear.
  await plan(files, request, nowMs)
  return withLock(dir, async () => {
    const { issuer, caPem, chosen, ofNames } = await plan(files, request, nowMs)
    const crl = await readIfThere(files.crl)
    const known = new Set(crl === undefined ? [] : revokedIn(files, crl, caPem, issuer))
    const isKnown = ({ serial }: ListedDevice): boolean => known.has(normalSerial(serial))
    const revoked = chosen.filter(device => !isKnown(device))
    if (revoked.length > 0) {
      const serials = revoked.map(({ serial }) => serial)
      await writePublic(files.crl, extendCrl(files, { crl, caPem, issuer, nowMs }, serials))
    }
    const left = ofNames.filter(
      device => !chosen.includes(device) && !isKnown(device) && Date.parse(device.notAfter) > nowMs
    )
    return { files, revoked, already: chosen.filter(isKnown), left }
  })
}

/** Tells which certificates of the index are in the list. Throws ConfigError for a list that cannot be used. */
export async function revokedOf(dir: string): Promise<(device: IssuedCertificate) => boolean> {
  const files = authorityFiles(dir)
  const [crl, caPem] = await Promise.all([readIfThere(files.crl), readIfThere(files.ca)])
  if (crl === undefined || caPem === undefined) return () => false
  const revoked = new Set(readLists(crl, caPem, files).flatMap(({ serials }) => serials))
  return ({ serial }) => revoked.has(normalSerial(serial))
}

interface CrlBefore {
  /** Undefined when there is no list yet. */
  readonly crl: string | undefined
  readonly caPem: string
  readonly issuer: Issuer
  readonly nowMs: number
}

/** The text of the file of lists with more serials in ours, which comes first. */
export function extendCrl(
  files: AuthorityFiles,
  { crl, caPem, issuer, nowMs }: CrlBefore,
  serials: readonly string[]
): string {
  const lists = crl === undefined ? [] : readLists(crl, caPem, files)
  const [ours, others] = partition(lists, ({ signer }) => isOf(issuer, signer.raw))
  const entries = [
    ...new Map(ours.flatMap(list => list.entries.map((entry, index) => [list.serials[index]!, entry]))).values(),
    ...serials.map(serial => makeCrlEntry(serial, nowMs))
  ]
  // Strictly newer than the former, whatever the clock says: a server takes no older list than it has.
  const thisUpdateMs = Math.max(nowMs, ...ours.map(list => list.thisUpdateMs + 1_000))
  const list = makeCrl(issuer, entries, thisUpdateMs + crlDaysDefault * dayMs, thisUpdateMs)
  return [list, ...others.map(({ block }) => encodePem('X509 CRL', block))].join('')
}

const revokedIn = (files: AuthorityFiles, crl: string, caPem: string, issuer: Issuer): string[] =>
  readLists(crl, caPem, files)
    .filter(({ signer }) => isOf(issuer, signer.raw))
    .flatMap(({ serials }) => serials)

const isOf = ({ certificate }: Issuer, signer: Buffer): boolean => certificate.raw.equals(signer)

function partition<T>(all: readonly T[], fits: (item: T) => boolean): [T[], T[]] {
  return [all.filter(fits), all.filter(item => !fits(item))]
}

interface RevokePlan {
  readonly issuer: Issuer
  readonly caPem: string
  readonly chosen: readonly ListedDevice[]
  readonly ofNames: readonly ListedDevice[]
}

async function plan(
  files: AuthorityFiles,
  { dir, names, which = 'all', faults: before = [] }: RevokeRequest,
  nowMs: number
): Promise<RevokePlan> {
  const faults = [...before]
  const opened = await openIssuer(files, nowMs, faults)
  throwFaults(faults)
  const issued = await listDevices(dir)
  const ofNames = issued.filter(({ name }) => names.includes(name))
  for (const name of new Set(names)) {
    const all = ofNames.filter(device => device.name === name)
    if (all.length === 0) {
      faults.push({ path: 'NAME', expected: `a device of ${files.issued} (certs list shows them)`, found: name })
    } else if (!all.some(device => isChosen(device, which))) {
      faults.push({ path: name, ...faultOf(which, all) })
    }
  }
  throwFaults(faults)
  if (opened === undefined) throwFault(files.ca, 'a CA', 'none')
  return { ...opened, chosen: ofNames.filter(device => isChosen(device, which)), ofNames }
}

const isChosen = ({ replaced, serial }: ListedDevice, which: NonNullable<RevokeRequest['which']>): boolean =>
  which === 'all' || (which === 'former' ? replaced : normalSerial(serial) === normalSerial(which.serial))

const faultOf = (which: NonNullable<RevokeRequest['which']>, all: readonly ListedDevice[]) =>
  which === 'former'
    ? { expected: 'a former certificate, replaced by a later one', found: 'only the present one' }
    : { expected: `a serial of this device: ${all.map(({ serial }) => serial).join(', ')}`, found: 'another' }
