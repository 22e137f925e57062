// The identity of a client, from its certificate alone, on full and resumed handshakes alike. Pure.
// Accepts exactly one CN of the charger pattern, at most one OU naming a role, clientAuth, valid dates, and SAN URIs
// `urn:chargelift:charger:{name}` of which all must parse. Everything else is refused with its reason.

import type { X509Certificate } from 'node:crypto'
import { DeniedError } from '../model/errors.ts'
import { type Identity, type Role, roles } from '../model/server/admission.ts'
import { chargerNameRule, chargerUrnPrefix, isChargerName } from '../model/wire/topics.ts'
import { clientIdCharactersMax } from './limits.ts'

const clientAuth = '1.3.6.1.5.5.7.3.2'

/** Throws DeniedError. Does not ask for revocation. */
export function identify(certificate: X509Certificate | undefined, nowMs: number): Identity {
  if (certificate === undefined) throw new DeniedError('no_certificate', 'expected a client certificate, found none')
  const subject = subjectOf(certificate)
  const name = commonName(subject.CN)
  const role = roleOf(subject.OU)
  if (certificate.ca) {
    throw new DeniedError('wrong_key_usage', `expected the certificate of a device, found that of a CA (${name})`)
  }
  // Typed as the key usage, it is the extended one.
  if (!(certificate.keyUsage as string[] | undefined)?.includes(clientAuth)) {
    throw new DeniedError(
      'wrong_key_usage',
      `expected a certificate for clientAuth, found another extended key usage (${name})`
    )
  }
  const validToMs = certificate.validToDate.getTime()
  if (nowMs > validToMs || nowMs < certificate.validFromDate.getTime()) {
    throw new DeniedError(
      'expired_certificate',
      `expected a certificate valid now, found ${certificate.validFrom} to ${certificate.validTo} (${name})`
    )
  }
  const chargers = chargersOf(name, role, certificate.subjectAltName)
  return { name, role, chargers, issuer: certificate.issuer, serial: certificate.serialNumber, validToMs }
}

/** The name that a certificate claims, trusted or not; "" where that is no name. For reports only. */
export function claimedName(certificate: X509Certificate): string {
  try {
    const { CN } = subjectOf(certificate)
    return typeof CN === 'string' && isChargerName(CN) ? CN : ''
  } catch {
    return ''
  }
}

/** The subjects of `certs issue`, which cannot be read in two ways. All others need a legacy object, at 0.2 ms each. */
const plainSubject = /^(?:OU=([A-Za-z0-9._-]+)\n)?CN=([A-Za-z0-9._-]+)$/

function subjectOf(certificate: X509Certificate): Record<string, unknown> {
  const [, OU, CN] = plainSubject.exec(certificate.subject) ?? []
  return CN === undefined ? (certificate.toLegacyObject().subject as Record<string, unknown>) : { OU, CN }
}

function commonName(cn: unknown): string {
  if (typeof cn === 'string' && isChargerName(cn)) return cn
  const found = Array.isArray(cn) ? `${cn.length} of them` : JSON.stringify(cn ?? null).slice(0, 80)
  throw new DeniedError('bad_common_name', `expected exactly one CN of ${chargerNameRule}, found ${found}`)
}

function roleOf(ou: unknown): Role {
  if (ou === undefined) return 'edge'
  const role = roles.find(role => role === ou)
  if (role !== undefined) return role
  throw new DeniedError(
    'bad_role',
    `expected at most one OU of ${roles.join(', ')}, found ${JSON.stringify(ou).slice(0, 80)}`
  )
}

function chargersOf(name: string, role: Role, subjectAltName: string | undefined): readonly string[] | undefined {
  const listed = listedChargers(subjectAltName)
  if (role === 'operator') return undefined
  if (listed.length > 0) return listed
  return role === 'edge' ? [name] : undefined
}

function listedChargers(subjectAltName: string | undefined): string[] {
  if (subjectAltName === undefined) return []
  // Node quotes a name that could be mistaken for several; none of ours needs it.
  if (subjectAltName.includes('"')) throw badList(subjectAltName)
  const uris = subjectAltName.split(', ').filter(entry => entry.startsWith('URI:'))
  return uris.map(uri => {
    const charger = uri.slice('URI:'.length + chargerUrnPrefix.length)
    if (!uri.startsWith(`URI:${chargerUrnPrefix}`) || !isChargerName(charger)) throw badList(uri)
    return charger
  })
}

const badList = (found: string): DeniedError =>
  new DeniedError(
    'bad_charger_list',
    `expected every SAN URI as ${chargerUrnPrefix}{name}, found ${found.slice(0, 120)}`
  )

/** `CN` or `CN:suffix`. */
export const isClientIdOf = ({ name }: Identity, clientId: string): boolean =>
  clientId === name ||
  (clientId.startsWith(`${name}:`) && clientId.length > name.length + 1 && clientId.length <= clientIdCharactersMax)
