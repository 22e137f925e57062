import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { ConfigError, DeniedError } from '../../model/errors.ts'
import { makeCrl, makeCrlEntry } from '../authority/crl.ts'
import { makeIntermediate, makeOdd, makeRoot, type Signer } from '../testing/oddCertificates.ts'
import { Trust, type TrustOptions } from './trust.ts'

const dayMs = 86_400_000
const now = Math.floor(Date.now() / 1000) * 1000
const paths = { ca: 'ca.pem', crl: 'crl.pem' }
const certificateOf = ({ pem }: { pem: string }): X509Certificate => new X509Certificate(pem)

interface ListOptions {
  readonly revoked?: readonly X509Certificate[]
  readonly madeMs?: number
  readonly endMs?: number
}

function listOf(signer: Signer, { revoked = [], madeMs = now, endMs = now + dayMs }: ListOptions = {}): string {
  const issuer = { certificate: certificateOf(signer), key: createPrivateKey(signer.keyPem) }
  const entries = revoked.map(({ serialNumber }) => makeCrlEntry(serialNumber, now))
  return makeCrl(issuer, entries, endMs, madeMs)
}

const parse = (caPem: string, crlPem: string, more: Partial<TrustOptions> = {}): Trust =>
  Trust.parse({ caPem, crlPem, paths, nowMs: now, crlStrict: false, ...more })

function verdict(trust: Trust, certificate: X509Certificate, anew = true, atMs = now): string {
  try {
    trust.judge(certificate, atMs, anew)
    return 'trusted'
  } catch (error) {
    assert.ok(error instanceof DeniedError, String(error))
    return error.code
  }
}

function faultOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.message
  }
  assert.fail('it was accepted')
}

const [root, other, twin] = [await makeRoot('root'), await makeRoot('other'), await makeRoot('root')]
const device = certificateOf(await makeOdd(root, 'c1'))
const stranger = certificateOf(await makeOdd(other, 'c1'))
const impostor = certificateOf(await makeOdd(twin, 'c1'))

test('a certificate of a trusted CA passes, one of another does not, nor one of a CA that only has the same name', () => {
  const trust = parse(root.pem, listOf(root))
  assert.deepEqual(
    [device, stranger, impostor].map(one => verdict(trust, one)),
    ['trusted', 'unknown_ca', 'unknown_ca']
  )
  assert.equal(verdict(trust, impostor, false), 'unknown_ca')
})

test('what is revoked is refused, by issuer and serial', () => {
  const trust = parse(root.pem + other.pem, listOf(root, { revoked: [device] }) + listOf(other))
  assert.deepEqual([verdict(trust, device), verdict(trust, stranger)], ['revoked', 'trusted'])
})

test('a removed CA takes its certificates with it, and the change is seen', () => {
  const both = parse(root.pem + other.pem, listOf(root) + listOf(other))
  const one = parse(other.pem, listOf(other), { former: both })
  assert.deepEqual(
    [verdict(both, device), verdict(one, device), verdict(one, stranger)],
    ['trusted', 'unknown_ca', 'trusted']
  )
  assert.deepEqual([both.includes(one), one.includes(both)], [true, false])
})

test('a CA that has ended vouches for nobody, also where TLS is not asked again', async () => {
  const short = await makeRoot('short', { notAfterMs: now + 60_000 })
  const leaf = certificateOf(await makeOdd(short, 'c1'))
  const trust = parse(short.pem, listOf(short))
  assert.equal(verdict(trust, leaf, false), 'trusted')
  assert.equal(verdict(trust, leaf, false, now + 61_000), 'unknown_ca')
  assert.match(
    faultOf(() => parse(short.pem, listOf(short), { nowMs: now + 61_000 })),
    /^ca\.pem: expected a CA that is valid now/
  )
})

test('an intermediate beside the root in the file is trusted through it, and revoked by it', async () => {
  const between = await makeIntermediate(root, 'between')
  const leaf = certificateOf(await makeOdd(between, 'c1'))
  const ca = root.pem + between.pem
  assert.equal(verdict(parse(ca, listOf(root)), leaf), 'trusted')
  assert.equal(verdict(parse(ca, listOf(root) + listOf(between, { revoked: [leaf] })), leaf), 'revoked')
  assert.equal(verdict(parse(ca, listOf(root, { revoked: [certificateOf(between)] })), leaf), 'revoked')
  // Without its root, the intermediate is no trust anchor.
  assert.equal(verdict(parse(other.pem + between.pem, listOf(other)), leaf), 'unknown_ca')
})

test('strict: whose CA has no list in force is refused; otherwise an expired list counts on', () => {
  const madeMs = now - 2 * dayMs
  const expired = listOf(root, { revoked: [impostor], madeMs, endMs: now - dayMs })
  assert.equal(verdict(parse(root.pem, expired), device), 'trusted')
  assert.equal(verdict(parse(root.pem, expired, { crlStrict: true }), device), 'crl_expired')
  const mixed = parse(root.pem + other.pem, expired + listOf(other), { crlStrict: true })
  assert.deepEqual([verdict(mixed, device), verdict(mixed, stranger)], ['crl_expired', 'trusted'])
  const without = parse(root.pem + other.pem, listOf(other), { crlStrict: true })
  assert.deepEqual([verdict(without, device), verdict(without, stranger)], ['crl_expired', 'trusted'])
  const later = parse(root.pem, listOf(root), { crlStrict: true })
  assert.deepEqual([verdict(later, device), verdict(later, device, false, now + 2 * dayMs)], ['trusted', 'crl_expired'])
})

test('a list is exchanged only for one that is no older, and one in force never for one that has ended', () => {
  const former = parse(root.pem, listOf(root, { madeMs: now - dayMs }))
  const next = (options: ListOptions): Trust => parse(root.pem, listOf(root, options), { former })
  assert.ok(next({ madeMs: now }) && next({ madeMs: now - dayMs }))
  assert.match(
    faultOf(() => next({ madeMs: now - 2 * dayMs })),
    /^crl\.pem: expected a list no older than the one in force/
  )
  assert.match(
    faultOf(() => next({ endMs: now - 1_000 })),
    /^crl\.pem: expected a list that has not ended/
  )
  assert.match(
    faultOf(() => next({ madeMs: now + dayMs })),
    /^crl\.pem: expected a list made before now/
  )
  const ended = parse(root.pem, listOf(root, { madeMs: now - 3 * dayMs, endMs: now - 2 * dayMs }))
  const alsoEnded = listOf(root, { madeMs: now - 2 * dayMs, endMs: now - dayMs, revoked: [device] })
  assert.equal(verdict(parse(root.pem, alsoEnded, { former: ended }), device), 'revoked')
})

test('the list of a CA goes only together with the CA', () => {
  const former = parse(root.pem + other.pem, listOf(root) + listOf(other))
  assert.match(
    faultOf(() => parse(root.pem + other.pem, listOf(root), { former })),
    /crl\.pem: expected a list of cn=other/
  )
  assert.ok(parse(root.pem, listOf(root), { former }))
})

test('what is no file of CAs is refused by its name', async () => {
  const leaf = await makeOdd(root, 'c1')
  for (const [text, fault] of [
    ['', /^ca\.pem: expected at least one CA certificate in PEM, found none/],
    [root.pem + other.pem.slice(0, -40), /^ca\.pem: expected whole PEM blocks/],
    [root.pem + leaf.pem, /^ca\.pem: expected certificates of CAs, found that of "CN=c1"/]
  ] as const) {
    assert.match(
      faultOf(() => parse(text, listOf(root))),
      fault
    )
  }
  assert.match(
    faultOf(() => parse(root.pem, listOf(root).slice(0, -30))),
    /^crl\.pem: /
  )
  assert.match(
    faultOf(() => parse(root.pem, listOf(root) + listOf(root).slice(0, -30))),
    /^crl\.pem: expected whole PEM blocks/
  )
})
