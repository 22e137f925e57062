// The certificate authority of a fleet, in a folder: makes the CA, its revocation list and the server's certificate.
// Promises that an existing CA is never overwritten, that what is in order is left alone (in a few ms), and that any
// moment of a crash leaves something that the next call completes.

import { X509Certificate } from 'node:crypto'
import { rename } from 'node:fs/promises'
import type { ConfigFault } from '../../model/errors.ts'
import { type AuthorityFiles, authorityFiles, readIfThere, withLock, writePublic, writeSecret } from '../files.ts'
import { caDaysDefault, certificateDaysDefault } from '../limits.ts'
import { hostsDefault, normalHost, planHosts } from '../names.ts'
import { parseRevocation } from '../revocation/revocation.ts'
import { type CaFound, parseCertificate, parseKey, readCa, throwFault, throwFaults, throwNoCaKey } from './ca.ts'
import type { Issuer } from './certificates.ts'
import { crlRenewalMs, serverRenewalMs } from './limits.ts'
import { extendCrl } from './revoke.ts'

const dayMs = 86_400_000
// Not at the top: it loads a library for 0.1 s, and most starts have nothing to make.
const certificates = () => import('./certificates.ts')

export interface InitOptions {
  readonly dir: string
  /** Names and addresses under which clients reach the server. Default: those it has, or else `hostsDefault`. */
  readonly hosts?: readonly string[]
  /** For tests; default: the clock. */
  readonly nowMs?: number
}

export interface InitReport {
  readonly files: AuthorityFiles
  /** `restored`: the certificate was lost and has been made again from the key; all that was issued still chains. */
  readonly ca: 'created' | 'restored' | 'kept'
  readonly caNotAfterMs: number
  /** `renewed`: it would have ended soon; it says the same and lasts longer. */
  readonly crl: 'created' | 'renewed' | 'kept'
  readonly server: 'created' | 'replaced' | 'kept'
  /** Why the server's certificate was replaced, else "". */
  readonly serverReason: string
  readonly serverNotAfterMs: number
  readonly hosts: readonly string[]
}

/**
 * Makes what is missing of an authority: CA, revocation list, server certificate. Safe to call at every start, and by
 * several processes at once. Throws ConfigError for hosts that are none, and for a folder whose parts do not fit.
 */
export async function initAuthority({ dir, hosts, nowMs = Date.now() }: InitOptions): Promise<InitReport> {
  const faults: ConfigFault[] = []
  const wanted = hosts === undefined ? undefined : planHosts(hosts, faults)
  throwFaults(faults)
  const files = authorityFiles(dir)
  const found = await survey(files, wanted, nowMs)
  if (isComplete(found)) return reportOf(files, found)
  return withLock(dir, () => complete(files, wanted, nowMs))
}

interface Survey extends CaFound {
  /** Undefined when there is none. */
  readonly crl: string | undefined
  readonly crlEndsSoon: boolean
  readonly server: X509Certificate | undefined
  readonly serverFault: ServerFault | undefined
  readonly hosts: readonly string[]
}

/** Why a server certificate cannot stay. */
type ServerFault =
  | 'there was none'
  | 'it could not be read'
  | 'its key does not fit'
  | 'it was issued by another CA'
  | 'it ends soon or has ended'
  | 'the hosts differ'

const isComplete = ({ ca, crl, crlEndsSoon, serverFault }: Survey): boolean =>
  ca !== undefined && crl !== undefined && !crlEndsSoon && serverFault === undefined

async function survey(files: AuthorityFiles, wanted: readonly string[] | undefined, nowMs: number): Promise<Survey> {
  const found = await readCa(files, nowMs)
  const crl = await readIfThere(files.crl)
  const { server, fault } = await readServer(files)
  const hosts = wanted ?? hostsOf(server)
  const serverFault = fault ?? serverFaultOf(server, found.ca, hosts, nowMs)
  return { ...found, crl, crlEndsSoon: crlEndsSoon(files, found, crl, nowMs), server, serverFault, hosts }
}

/**
 * Also checks that the list is of a CA. A list of another CA cannot be renewed here; a missing list of ours can be
 * made.
 */
function crlEndsSoon(files: AuthorityFiles, { ca, caPem }: CaFound, crl: string | undefined, nowMs: number): boolean {
  if (ca === undefined || crl === undefined) return false
  const { nextUpdateMs } = parseRevocation(crl, caPem, files).datesOf(ca.subject) ?? { nextUpdateMs: 0 }
  return nextUpdateMs < nowMs + crlRenewalMs
}

async function readServer(files: AuthorityFiles): Promise<{ server?: X509Certificate; fault?: ServerFault }> {
  const [pem, keyPem] = await Promise.all([readIfThere(files.server), readIfThere(files.serverKey)])
  if (pem === undefined && keyPem === undefined) return { fault: 'there was none' }
  const server = parseCertificate(pem ?? '')
  if (server === undefined) return { fault: 'it could not be read' }
  const key = parseKey(keyPem ?? '')
  return key !== undefined && server.checkPrivateKey(key) ? { server } : { server, fault: 'its key does not fit' }
}

function serverFaultOf(
  server: X509Certificate | undefined,
  ca: X509Certificate | undefined,
  hosts: readonly string[],
  nowMs: number
): ServerFault | undefined {
  if (server === undefined) return 'there was none'
  if (ca === undefined || !server.checkIssued(ca) || !server.verify(ca.publicKey)) return 'it was issued by another CA'
  if (!sameHosts(hostsOf(server), hosts)) return 'the hosts differ'
  const endMs = server.validToDate.getTime()
  // With a CA that ends as soon, a new one would last no longer.
  const endsSoon = endMs < nowMs + serverRenewalMs && endMs < ca.validToDate.getTime()
  return endsSoon ? 'it ends soon or has ended' : undefined
}

function hostsOf(server: X509Certificate | undefined): readonly string[] {
  const entries = server?.subjectAltName?.split(', ') ?? []
  const hosts = entries.flatMap(entry => normalHost(entry.replace(/^(?:DNS|IP Address):/, '')) ?? [])
  return hosts.length > 0 ? hosts : hostsDefault
}

const sameHosts = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every(host => others.includes(host))

async function complete(
  files: AuthorityFiles,
  wanted: readonly string[] | undefined,
  nowMs: number
): Promise<InitReport> {
  // Again, now under the lock: another process may just have made it all.
  const before = await survey(files, wanted, nowMs)
  const ca = await ensureCa(files, before, nowMs)
  const found = ca === 'kept' ? before : await survey(files, wanted, nowMs)
  if (isComplete(found)) return { ...reportOf(files, found), ca }
  const issuer = { certificate: found.ca!, key: found.caKey ?? throwNoCaKey(files) }
  const crl = await ensureCrl(files, found, issuer, nowMs)
  const server = await ensureServer(files, found, issuer, nowMs)
  return { ...reportOf(files, { ...found, server }), ca, crl, ...serverOutcome(found.serverFault) }
}

function serverOutcome(fault: ServerFault | undefined): Pick<InitReport, 'server' | 'serverReason'> {
  if (fault === undefined) return { server: 'kept', serverReason: '' }
  return fault === 'there was none'
    ? { server: 'created', serverReason: '' }
    : { server: 'replaced', serverReason: fault }
}

const reportOf = (files: AuthorityFiles, { ca, server, hosts }: Survey): InitReport => ({
  files,
  ca: 'kept',
  caNotAfterMs: ca?.validToDate.getTime() ?? 0,
  crl: 'kept',
  server: 'kept',
  serverReason: '',
  serverNotAfterMs: server?.validToDate.getTime() ?? 0,
  hosts
})

async function ensureCa(files: AuthorityFiles, found: Survey, nowMs: number): Promise<InitReport['ca']> {
  if (found.ca !== undefined) return 'kept'
  const { makeCa, makeKey, privateKeyPem } = await certificates()
  if (found.caKey === undefined) await refuseLostCa(files)
  const key = found.caKey ?? makeKey()
  // The key first: should we die in between, the next call makes the certificate from it.
  if (found.caKey === undefined) await writeSecret(files.caKey, privateKeyPem(key))
  await writePublic(files.ca, await makeCa(key, nowMs + caDaysDefault * dayMs, nowMs))
  return found.caKey === undefined ? 'created' : 'restored'
}

/** A new CA in place of a lost one would lock out every device that it ever issued. */
async function refuseLostCa(files: AuthorityFiles): Promise<void> {
  for (const path of [files.crl, files.issued]) {
    if ((await readIfThere(path)) === undefined) continue
    const found = `neither file, but ${path}; restore them, or begin anew in another --dir`
    throwFault(files.caKey, `the CA that was here before (${files.ca} and ${files.caKey})`, found)
  }
}

async function ensureCrl(
  files: AuthorityFiles,
  { crl, crlEndsSoon, caPem }: Survey,
  issuer: Issuer,
  nowMs: number
): Promise<InitReport['crl']> {
  if (crl !== undefined && !crlEndsSoon) return 'kept'
  await writePublic(files.crl, extendCrl(files, { crl, caPem, issuer, nowMs }, []))
  return crl === undefined ? 'created' : 'renewed'
}

async function ensureServer(
  files: AuthorityFiles,
  { server, serverFault, hosts }: Survey,
  issuer: Issuer,
  nowMs: number
): Promise<X509Certificate | undefined> {
  if (serverFault === undefined) return server
  const { makeServerCertificate } = await certificates()
  const notAfterMs = Math.min(nowMs + certificateDaysDefault * dayMs, issuer.certificate.validToDate.getTime())
  const made = await makeServerCertificate(issuer, hosts, notAfterMs, nowMs)
  if (!ownFaults.includes(serverFault)) await setAside(files.serverKey, files.server)
  await writeSecret(files.serverKey, made.key)
  await writePublic(files.server, made.certificate)
  return new X509Certificate(made.certificate)
}

/** With these the former certificate was one of ours, and nothing is lost with it. */
const ownFaults: readonly ServerFault[] = ['there was none', 'it ends soon or has ended', 'the hosts differ']

/** What somebody else made cannot be made again here: it stays beside, as `*.former`. */
async function setAside(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if ((await readIfThere(path)) !== undefined) await rename(path, `${path}.former`)
  }
}
