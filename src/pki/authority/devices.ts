// Issues the certificates of devices, one or many, signed by the CA of the folder.
// Promises that all faults are found before anything is written, that no key is replaced unasked, and that every
// certificate stands in the index before it exists. Never revokes: a replaced certificate stays valid until it ends.

import { type KeyObject, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { ConfigFault } from '../../model/errors.ts'
import { isoDay } from '../../model/isoDay.ts'
import type { Role } from '../../model/server/admission.ts'
import { isChargerName } from '../../model/wire/topics.ts'
import {
  authorityFiles,
  type DeviceFiles,
  deviceFiles,
  readIfThere,
  withLock,
  writePublic,
  writeSecret
} from '../files.ts'
import { certificateDaysMax } from '../limits.ts'
import { type DaysLimit, type DeviceDraft, type DeviceField, type DevicePlan, planDevice } from '../names.ts'
import { openIssuer, parseCertificate, throwFaults } from './ca.ts'
import type { Issuer } from './certificates.ts'
import { type IssuedCertificate, type ListedDevice, listDevices, recordIssued } from './issued.ts'
import { revokedOf } from './revoke.ts'

const dayMs = 86_400_000

/** A draft, and how faults name its fields (`--days`, `devices.csv line 3 days`). */
export interface DeviceOrder {
  readonly draft: DeviceDraft
  readonly pathOf: (field: DeviceField) => string
  /** Of a key that the device keeps to itself. Absent: a key is made, and written beside the certificate. */
  readonly publicKey?: KeyObject
}

interface IssueOptions {
  /** Replace the files of a device that has a certificate. The former certificate stays valid. Default: refuse. */
  readonly replace?: boolean
  /** What the caller has found already: told together with the faults of the orders, and nothing is issued. */
  readonly faults?: readonly ConfigFault[]
  /** For tests; default: the clock. */
  readonly nowMs?: number
}

export interface IssuedDevice extends IssuedCertificate {
  readonly files: DeviceFiles
}

interface DeviceRequest extends IssueOptions {
  readonly dir: string
  readonly name: string
  /** Default: edge. */
  readonly role?: Role
  /** Default: its own name for an edge, every charger for the other roles. */
  readonly chargers?: readonly string[]
  /** Default: `certificateDaysDefault`. */
  readonly days?: number
}

/** Makes key and certificate of one device. Throws ConfigError with all faults at once, and then nothing is written. */
export async function issueDevice({ dir, ...request }: DeviceRequest): Promise<IssuedDevice> {
  const { name, role = '', chargers = [], days } = request
  const draft = { name, role, chargers, days: days === undefined ? '' : String(days) }
  const [issued] = await issueDevices(dir, [{ draft, pathOf: field => field }], request)
  return issued!
}

/** The same for many: the faults of all orders at once, before anything is issued. In order. */
export async function issueDevices(
  dir: string,
  orders: readonly DeviceOrder[],
  options: IssueOptions = {}
): Promise<readonly IssuedDevice[]> {
  const nowMs = options.nowMs ?? Date.now()
  // Before the lock, for the lock makes the folder, and a mistyped --dir must not appear.
  await planOrders(dir, orders, options, nowMs)
  return withLock(dir, async () => {
    const { issuer, plans } = await planOrders(dir, orders, options, nowMs)
    const issued: IssuedDevice[] = []
    for (const [index, plan] of plans.entries()) {
      issued.push(await issue(dir, issuer, { ...plan, publicKey: orders[index]!.publicKey }, nowMs))
    }
    return issued
  })
}

export interface RenewRequest {
  readonly dir: string
  /** Whom; or else everybody whose certificate ends within so many days. */
  readonly whom: readonly string[] | { readonly withinDays: number }
  /** As typed; "" for the default. */
  readonly days: string
  readonly faults?: readonly ConfigFault[]
  readonly nowMs?: number
}

/**
 * Issues anew to devices that have a certificate, with the same role and chargers. The former certificates stay valid
 * until they end or are revoked. Throws ConfigError with all faults, also for a device whose newest certificate is
 * revoked: a renewal does not give a lost right back.
 */
export async function renewDevices({ dir, whom, days, faults: before = [], nowMs = Date.now() }: RenewRequest) {
  const faults = [...before]
  const isRevoked = await revokedOf(dir)
  const present = (await listDevices(dir)).filter(({ replaced }) => !replaced)
  const chosen = 'withinDays' in whom ? endingWithin(whom.withinDays, present, isRevoked, nowMs) : whom.flatMap(named)
  const orders = await Promise.all(
    chosen.map(async ({ name, role, chargers, ownKey }) => ({
      draft: { name, role, chargers, days },
      pathOf: (field: DeviceField) => (field === 'days' ? '--days' : name),
      ...(ownKey && (await keyOfCertificate(name)))
    }))
  )
  return issueDevices(dir, orders, { replace: true, faults, nowMs })

  /** The device keeps its key, so the new certificate is for the same one. */
  async function keyOfCertificate(name: string): Promise<Pick<DeviceOrder, 'publicKey'>> {
    const path = deviceFiles(dir, name).certificate
    const certificate = parseCertificate((await readIfThere(path)) ?? '')
    if (certificate !== undefined) return { publicKey: certificate.publicKey }
    const expected = `the certificate of ${name}, whose key the device keeps (else: edge enroll there, certs sign --force here)`
    faults.push({ path, expected, found: 'none' })
    return {}
  }

  function named(name: string): readonly ListedDevice[] {
    const device = present.find(device => device.name === name)
    const known = `a device of ${authorityFiles(dir).issued} (certs list shows them)`
    if (device === undefined) faults.push({ path: 'NAME', expected: known, found: name })
    else if (isRevoked(device)) {
      const expected = 'a device that is not revoked (certs issue --force lets it in again)'
      faults.push({ path: 'NAME', expected, found: `${name}, revoked` })
    } else return [device]
    return []
  }
}

function endingWithin(
  days: number,
  present: readonly ListedDevice[],
  isRevoked: (device: ListedDevice) => boolean,
  nowMs: number
): readonly ListedDevice[] {
  return present.filter(device => Date.parse(device.notAfter) < nowMs + days * dayMs && !isRevoked(device))
}

interface Plans {
  readonly issuer: Issuer
  readonly plans: readonly DevicePlan[]
}

async function planOrders(
  dir: string,
  orders: readonly DeviceOrder[],
  options: IssueOptions,
  nowMs: number
): Promise<Plans> {
  const faults: ConfigFault[] = [...(options.faults ?? [])]
  const issuer = (await openIssuer(authorityFiles(dir), nowMs, faults))?.issuer
  const limit = daysLimit(issuer, nowMs)
  const plans = orders.map(({ draft, pathOf }) => planDevice(draft, limit, pathOf, faults))
  refuseTwice(orders, faults)
  if (options.replace !== true) refuseExisting(dir, orders, faults)
  throwFaults(faults)
  return { issuer: issuer!, plans }
}

function daysLimit(issuer: Issuer | undefined, nowMs: number): DaysLimit {
  const end = issuer?.certificate.validToDate
  const left = end === undefined ? Number.POSITIVE_INFINITY : Math.floor((end.getTime() - nowMs) / dayMs)
  return end !== undefined && left < certificateDaysMax
    ? { days: left, reason: `the CA ends ${isoDay(end)}` }
    : { days: certificateDaysMax, reason: 'the longest allowed' }
}

function refuseTwice(orders: readonly DeviceOrder[], faults: ConfigFault[]): void {
  const seen = new Set<string>()
  for (const { draft, pathOf } of orders) {
    const isTwice = draft.name !== '' && seen.has(draft.name)
    if (isTwice) faults.push({ path: pathOf('name'), expected: 'each name once', found: draft.name })
    seen.add(draft.name)
  }
}

function refuseExisting(dir: string, orders: readonly DeviceOrder[], faults: ConfigFault[]): void {
  const expected =
    'a device without a certificate (--force replaces key and certificate, and the device needs both anew)'
  for (const { draft, pathOf } of orders) {
    // A faulty name is no path to look at.
    if (!isChargerName(draft.name)) continue
    const { certificate, key } = deviceFiles(dir, draft.name)
    const found = [certificate, key].filter(existsSync).join(' and ')
    if (found !== '') faults.push({ path: pathOf('name'), expected, found })
  }
}

interface KeyedPlan extends DevicePlan {
  readonly publicKey: KeyObject | undefined
}

async function issue(dir: string, issuer: Issuer, plan: KeyedPlan, nowMs: number): Promise<IssuedDevice> {
  // Not at the top: it loads a library for 0.1 s, and a server that imports this file issues nothing.
  const { makeDeviceCertificate, makeKey, privateKeyPem } = await import('./certificates.ts')
  const { name, role, chargers, publicKey } = plan
  const key = publicKey ?? makeKey()
  const certificate = await makeDeviceCertificate(issuer, key, plan, nowMs + plan.days * dayMs, nowMs)
  const { serialNumber: serial, validToDate } = new X509Certificate(certificate)
  const times = { notAfter: validToDate.toISOString(), issuedAt: new Date(nowMs).toISOString() }
  const issued = { name, role, chargers: [...chargers], serial, ...times, ...(publicKey && { ownKey: true as const }) }
  await recordIssued(dir, issued)
  const files = deviceFiles(dir, name)
  if (!publicKey) await writeSecret(files.key, privateKeyPem(key))
  await writePublic(files.certificate, certificate)
  // One that was made here for a former certificate fits no more.
  if (publicKey) await rm(files.key, { force: true })
  return { ...issued, files }
}
