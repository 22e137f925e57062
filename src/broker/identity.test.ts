import 'reflect-metadata'
import assert from 'node:assert/strict'
import { webcrypto, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import * as x509 from '@peculiar/x509'
import { DeniedError, type DenyCode } from '../model/errors.ts'
import { identify, isClientIdOf } from './identity.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const keys = (await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
const { clientAuth, serverAuth, codeSigning } = x509.ExtendedKeyUsage
const anyExtendedKeyUsage = '2.5.29.37.0'

const notBefore = new Date('2026-01-01T00:00:00Z')
const notAfter = new Date('2027-01-01T00:00:00Z')
const nowMs = Date.parse('2026-06-01T00:00:00Z')

interface Certificate {
  readonly subject?: x509.JsonNameParams
  readonly usages?: readonly string[] | undefined
  readonly names?: x509.JsonGeneralNames
  readonly serialNumber?: string
}

/**
 * Makes a certificate. An Identity reads only the certificate itself. The TLS listener checks that it chains to the CA.
 */
async function certificate({
  subject = [{ CN: ['c1'] }],
  usages = [clientAuth],
  names,
  serialNumber = '0a1b'
}: Certificate = {}): Promise<X509Certificate> {
  const made = await x509.X509CertificateGenerator.create({
    subject: new x509.Name(subject),
    issuer: [{ CN: ['test CA'] }],
    serialNumber,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      ...(usages.length > 0 ? [new x509.ExtendedKeyUsageExtension([...usages])] : []),
      ...(names === undefined ? [] : [new x509.SubjectAlternativeNameExtension(names)])
    ]
  })
  return new X509Certificate(made.toString('pem'))
}

async function assertDenied(code: DenyCode, options: Certificate, atMs = nowMs): Promise<void> {
  const made = await certificate(options)
  assert.throws(
    () => identify(made, atMs),
    (error: unknown) => {
      assert.ok(error instanceof DeniedError, String(error))
      assert.equal(error.code, code, `${error.message} ${JSON.stringify(options)}`)
      assert.ok(error.message.length < 400)
      return true
    }
  )
}

const uri = (value: string) => ({ type: 'url' as const, value })
const charger = (name: string) => uri(`urn:chargelift:charger:${name}`)
// A CN with exactly this text. The library would read a plain text that begins with # as hexadecimal.
const cn = (...names: string[]): x509.JsonNameParams => names.map(name => ({ CN: [{ utf8String: name }] }))

test('a connection without a certificate is nobody', () => {
  assert.throws(() => identify(undefined, nowMs), { code: 'no_certificate' })
})

test('a certificate with one CN and no OU is an edge that reads and writes its own charger', async () => {
  const identity = identify(await certificate({ subject: cn('wallbox-17.a_b') }), nowMs)
  assert.deepEqual(identity, {
    name: 'wallbox-17.a_b',
    role: 'edge',
    chargers: ['wallbox-17.a_b'],
    issuer: 'CN=test CA',
    serial: '0A1B',
    validToMs: notAfter.getTime()
  })
})

test('the longest legal name is accepted', async () => {
  const name = 'x'.repeat(64)
  assert.equal(identify(await certificate({ subject: cn(name) }), nowMs).name, name)
})

const badNames: [string, x509.JsonNameParams][] = [
  ['none', [{ O: ['chargelift'] }]],
  ['an empty subject', []],
  ['two', cn('c1', 'c2')],
  ['the same twice', cn('c1', 'c1')],
  ['two in one part', [{ CN: [{ utf8String: 'c1' }, { utf8String: 'c2' }] }]],
  ['empty', cn('')],
  ['a slash', cn('c1/c2')],
  ['a plus', cn('+')],
  ['a plus inside', cn('c1+c2')],
  ['a hash', cn('#')],
  ['a dollar', cn('$SYS')],
  ['a colon', cn('c1:x')],
  ['NUL', cn('c1\0c2')],
  ['NUL at the end', cn('c1\0')],
  ['a newline', cn('c1\nCN=c2')],
  ['a newline at the end', cn('c1\n')],
  ['a space', cn('c1 ')],
  ['a comma', cn('c1, CN=c2')],
  ['65 characters', cn('x'.repeat(65))],
  ['a leading dot', cn('.c1')],
  ['a leading dash', cn('-c1')],
  ['not ASCII', cn('c\u0131')],
  ['a letter that only looks alike', cn('\u0441' + '1')],
  ['not one but a name of the language', cn('__proto__')]
]
for (const [what, subject] of badNames) {
  test(`a certificate whose CN is ${what} is refused`, async () => {
    const made = (await certificate({ subject })).toLegacyObject().subject as { CN?: unknown }
    const given = subject.flatMap(({ CN = [] }) => CN as x509.JsonAttributeObject[])
    assert.deepEqual(
      [made.CN ?? []].flat(),
      given.map(name => name.utf8String),
      'the certificate does not say what the test means'
    )
    await assertDenied('bad_common_name', { subject })
  })
}

const roleCases: [string[], string, readonly string[] | undefined][] = [
  [['edge'], 'edge', ['c1']],
  [['consumer'], 'consumer', undefined],
  [['operator'], 'operator', undefined]
]
test('the OU is the role; a consumer or operator without a list reads every charger', async () => {
  for (const [units, role, chargers] of roleCases) {
    const subject = [{ CN: ['c1'] }, ...units.map(unit => ({ OU: [unit] }))]
    const identity = identify(await certificate({ subject }), nowMs)
    assert.deepEqual([identity.role, identity.chargers], [role, chargers])
  }
})

test('in whatever order and with whatever else CN and OU stand in the subject, they say the same', async () => {
  const cn = { CN: ['c1'] }
  const ou = { OU: ['operator'] }
  const bmp = [{ OU: [{ bmpString: 'operator' }] }, { CN: [{ bmpString: 'c1' }] }]
  const subjects = [[ou, cn], [cn, ou], [{ O: ['us'] }, ou, cn], [ou, cn, { L: ['here'] }], [{ ...ou, ...cn }], bmp]
  for (const subject of subjects) {
    const { name, role } = identify(await certificate({ subject }), nowMs)
    assert.deepEqual({ name, role }, { name: 'c1', role: 'operator' }, JSON.stringify(subject))
  }
})

test('an unknown OU, or a second one, is refused', async () => {
  const unitsOf = [['admin'], ['Operator'], ['operator '], ['edge\0'], [''], ['__proto__'], ['edge', 'operator']]
  for (const units of [...unitsOf, ['operator', 'edge'], ['edge', 'edge']]) {
    await assertDenied('bad_role', { subject: [{ CN: ['c1'] }, ...units.map(unit => ({ OU: [unit] }))] })
    await assertDenied('bad_role', { subject: [{ CN: ['c1'] }, { OU: units }] })
  }
})

test('a certificate that is not for clientAuth is refused', async () => {
  for (const usages of [[], [serverAuth], [codeSigning], [anyExtendedKeyUsage]]) {
    await assertDenied('wrong_key_usage', { usages })
  }
  assert.ok(identify(await certificate({ usages: [serverAuth, clientAuth] }), nowMs))
})

test('a certificate is valid from its first to its last moment', async () => {
  const made = await certificate()
  for (const atMs of [notBefore.getTime(), nowMs, notAfter.getTime()]) assert.ok(identify(made, atMs))
  await assertDenied('expired_certificate', {}, notBefore.getTime() - 1)
  await assertDenied('expired_certificate', {}, notAfter.getTime() + 1)
})

test('an edge with SAN URIs writes exactly the chargers that they name, and its own name only when it is there', async () => {
  const edge = identify(await certificate({ names: [charger('c2'), charger('c3.x')] }), nowMs)
  assert.deepEqual([edge.name, edge.chargers], ['c1', ['c2', 'c3.x']])
  const both = identify(await certificate({ names: [charger('c1'), charger('c2')] }), nowMs)
  assert.deepEqual(both.chargers, ['c1', 'c2'])
})

test('a consumer with SAN URIs reads only those; an operator reads everything all the same', async () => {
  const names = [charger('c2')]
  const ofRole = async (role: string) =>
    identify(await certificate({ subject: [{ CN: ['c1'] }, { OU: [role] }], names }), nowMs)
  assert.deepEqual((await ofRole('consumer')).chargers, ['c2'])
  assert.equal((await ofRole('operator')).chargers, undefined)
})

test('names in the SAN that are no URIs give nothing and take nothing', async () => {
  const names = [
    { type: 'dns' as const, value: 'pi.local' },
    { type: 'ip' as const, value: '192.168.1.7' },
    { type: 'email' as const, value: 'a@example.org' }
  ]
  assert.deepEqual(identify(await certificate({ names }), nowMs).chargers, ['c1'])
  assert.deepEqual(identify(await certificate({ names: [...names, charger('c2')] }), nowMs).chargers, ['c2'])
})

const badUris = [
  'urn:chargelift:charger:',
  'urn:chargelift:charger:+',
  'urn:chargelift:charger:#',
  'urn:chargelift:charger:.c2',
  'urn:chargelift:charger:c2/x',
  'urn:chargelift:charger:c2 ',
  'urn:chargelift:charger:c2\0',
  'urn:chargelift:charger:c2\n',
  'urn:chargelift:charger:c2,urn:chargelift:charger:c3',
  'urn:chargelift:charger:c2%2Fx',
  `urn:chargelift:charger:${'x'.repeat(65)}`,
  'URN:chargelift:charger:c2',
  'urn:chargelift:Charger:c2',
  'urn:chargelift:chargers:c2',
  'urn:other:charger:c2',
  'https://example.org/',
  'c2',
  ''
]
test('a SAN URI that names no charger refuses the certificate, whatever the others are', async () => {
  for (const bad of badUris) {
    for (const role of ['edge', 'consumer', 'operator']) {
      const subject = [{ CN: ['c1'] }, { OU: [role] }]
      await assertDenied('bad_charger_list', { subject, names: [uri(bad)] })
    }
    await assertDenied('bad_charger_list', { names: [charger('c2'), uri(bad)] })
  }
})

test('one name that pretends to be several gives no charger to anybody', async () => {
  const trick = 'a, URI:urn:chargelift:charger:victim'
  const tricks: x509.JsonGeneralNames = [
    uri(trick),
    uri(`"${trick}"`),
    uri('urn:chargelift:charger:c2, URI:urn:chargelift:charger:victim'),
    uri('urn:chargelift:charger:c2", URI:urn:chargelift:charger:victim'),
    { type: 'dns', value: trick },
    { type: 'dns', value: `"${trick}"` },
    { type: 'email', value: trick },
    { type: 'email', value: 'a@b\0, URI:urn:chargelift:charger:victim' },
    { type: 'dn', value: `CN="${trick}"` },
    { type: 'dn', value: 'CN=a,DC=URI:urn:chargelift:charger:victim' },
    { type: 'dn', value: 'CN=URI:urn:chargelift:charger:victim' }
  ]
  for (const name of tricks) {
    const made = await certificate({ names: [name] })
    assert.match(made.subjectAltName!, /URI:urn:chargelift:charger:victim/)
    if (made.subjectAltName!.includes('"')) assert.throws(() => identify(made, nowMs), { code: 'bad_charger_list' })
    else assert.deepEqual(identify(made, nowMs).chargers, ['c1'], made.subjectAltName)
  }
})

test('a client id is the CN, or the CN with a suffix after a colon', async () => {
  const identity = identify(await certificate(), nowMs)
  for (const id of ['c1', 'c1:cli', 'c1::', 'c1:a:b', 'c1:c2']) assert.equal(isClientIdOf(identity, id), true, id)
  for (const id of ['', 'c', 'c1:', 'c10', 'c1 ', 'C1', 'c1/cli', 'c1-cli', ' c1', 'c2', 'c2:c1', ':c1', 'c1\0:x'])
    assert.equal(isClientIdOf(identity, id), false, JSON.stringify(id))
})
