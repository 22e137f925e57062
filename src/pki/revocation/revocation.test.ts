import 'reflect-metadata'
import assert from 'node:assert/strict'
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as x509 from '@peculiar/x509'
import { ConfigError } from '../../model/errors.ts'
import { initAuthority } from '../authority/authority.ts'
import { issueDevice } from '../authority/devices.ts'
import { encodePem, pemBlocks } from '../pem.ts'
import { parseRevocation } from './revocation.ts'

type Algorithm = webcrypto.RsaHashedKeyGenParams | webcrypto.EcKeyGenParams | webcrypto.Algorithm
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

interface TestCa {
  readonly pem: string
  readonly subject: x509.Name
  readonly keys: webcrypto.CryptoKeyPair
  readonly algorithm: Algorithm
}

async function makeCa(name: x509.JsonName, algorithm: Algorithm = ecdsa): Promise<TestCa> {
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const extensions = [new x509.BasicConstraintsExtension(true, undefined, true)]
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
    extensions
  })
  return { pem: ca.toString('pem'), subject: ca.subjectName, keys, algorithm }
}

interface CrlOptions {
  readonly serials?: readonly string[]
  readonly nextUpdate?: Date
  readonly extensions?: x509.Extension[]
  readonly entryExtensions?: x509.Extension[]
}

const thisUpdate = new Date('2020-01-02T03:04:05Z')
async function makeCrl(ca: TestCa, options: CrlOptions = {}): Promise<string> {
  const { serials = [], nextUpdate, extensions = [], entryExtensions: ofEntry } = options
  const crl = await x509.X509CrlGenerator.create({
    issuer: ca.subject,
    thisUpdate,
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    extensions,
    entries: serials.map(serialNumber => ({
      serialNumber,
      ...(ofEntry === undefined ? { reason: 1 } : { extensions: ofEntry })
    })),
    signingAlgorithm: ca.algorithm,
    signingKey: ca.keys.privateKey
  })
  return encodePem('X509 CRL', new Uint8Array(crl.rawData))
}

async function makeLeaf(ca: TestCa, serialNumber: string): Promise<X509Certificate> {
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=leaf',
    issuer: ca.subject,
    serialNumber,
    publicKey: ca.keys.publicKey,
    signingKey: ca.keys.privateKey,
    signingAlgorithm: ca.algorithm
  })
  return new X509Certificate(certificate.toString('pem'))
}

function faultOf(crl: string, ca: string): string {
  try {
    parseRevocation(crl, ca, { crl: 'crl.pem', ca: 'ca.pem' })
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.message
  }
  assert.fail('it was accepted')
}

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chargelift-pki-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

test('the list that init writes revokes nobody, and is valid for years', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  const device = new X509Certificate(await readFile((await issueDevice({ dir, name: 'a' })).files.certificate))
  const revocation = parseRevocation(await readFile(files.crl, 'utf8'), await readFile(files.ca, 'utf8'))
  assert.equal(revocation.isRevoked(device.issuer, device.serialNumber), false)
  assert.equal(revocation.count, 0)
  assert.ok(Math.abs(Date.now() - revocation.thisUpdateMs) < 60_000)
  assert.ok(revocation.nextUpdateMs > Date.now() + 3_600 * 86_400_000)
})

test("issuer and serial of Node's X509Certificate find the entry, in every form a serial has", async () => {
  const names: x509.JsonName[] = [
    [{ CN: ['chargelift CA 1a2b3c4d'] }],
    [{ C: ['DE'] }, { O: ['Müller, Söhne + "Co" <x>=#;\\'] }, { CN: [' two  spaces ', 'second'] }],
    [{ C: ['DE'], CN: ['several attributes in one part'] }]
  ]
  // The serials: one digit, the top bit set (a zero byte comes before it), leading zeros, 16 and 20 bytes.
  const serials = ['0a', '80', 'ff00ff', '0001', '7f', 'a'.repeat(32), '4'.repeat(40)]
  for (const name of names) {
    const ca = await makeCa(name)
    const revocation = parseRevocation(await makeCrl(ca, { serials }), ca.pem)
    for (const serial of serials) {
      const leaf = await makeLeaf(ca, serial)
      assert.ok(revocation.isRevoked(leaf.issuer, leaf.serialNumber), `${leaf.issuer} ${leaf.serialNumber}`)
    }
    const other = await makeLeaf(ca, '0b')
    assert.equal(revocation.isRevoked(other.issuer, other.serialNumber), false)
  }
})

test('the same serial of another issuer is not revoked', async () => {
  const [one, two] = [await makeCa([{ CN: ['one'] }]), await makeCa([{ CN: ['two'] }])]
  const revocation = parseRevocation(await makeCrl(one, { serials: ['1234'] }), one.pem + two.pem)
  assert.ok(revocation.isRevoked('CN=one', '1234'))
  assert.equal(revocation.isRevoked('CN=two', '1234'), false)
})

test('case, spaces and leading zeros do not hide a revoked certificate', async () => {
  const ca = await makeCa([{ CN: ['My CA'] }])
  const revocation = parseRevocation(await makeCrl(ca, { serials: ['0abc'] }), ca.pem)
  for (const [issuer, serial] of [
    ['CN=my ca', 'ABC'],
    ['CN=MY  CA', '0ABC'],
    ['CN=My CA', '00abc']
  ] as const) {
    assert.ok(revocation.isRevoked(issuer, serial))
  }
})

test('several lists of several CAs count together, and the first to expire says when', async () => {
  const [one, two] = [await makeCa([{ CN: ['one'] }]), await makeCa([{ CN: ['two'] }])]
  const crls = [
    await makeCrl(one, { serials: ['01'], nextUpdate: new Date('2031-01-01T00:00:00Z') }),
    await makeCrl(two, { serials: ['02', '03'], nextUpdate: new Date('2030-01-01T00:00:00Z') }),
    await makeCrl(one, { serials: ['04'] })
  ]
  const revocation = parseRevocation(crls.join('\nsome text\n'), two.pem + one.pem)
  const revoked = ['01', '02', '03', '04'].filter(serial => revocation.isRevoked('CN=one', serial))
  assert.deepEqual(revoked, ['01', '04'])
  assert.ok(revocation.isRevoked('CN=two', '03'))
  assert.equal(revocation.nextUpdateMs, Date.parse('2030-01-01T00:00:00Z'))
  assert.equal(revocation.thisUpdateMs, thisUpdate.getTime())
  assert.equal(revocation.count, 4)
})

test('an expired list still counts, and one without an end never expires', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const nextUpdate = new Date('2020-01-03T00:00:00Z')
  const expired = parseRevocation(await makeCrl(ca, { serials: ['05'], nextUpdate }), ca.pem)
  assert.equal(expired.nextUpdateMs, nextUpdate.getTime())
  assert.ok(expired.isRevoked('CN=ca', '05'))
  const far = parseRevocation(await makeCrl(ca, { nextUpdate: new Date('2055-06-07T08:09:10Z') }), ca.pem)
  assert.equal(far.nextUpdateMs, Date.parse('2055-06-07T08:09:10Z'))
  assert.equal(parseRevocation(await makeCrl(ca), ca.pem).nextUpdateMs, Number.POSITIVE_INFINITY)
})

test('RSA and Ed25519 authorities are understood too', async () => {
  const rsa = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-384',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1])
  }
  for (const algorithm of [rsa, { name: 'Ed25519' }, { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-512' }]) {
    const ca = await makeCa([{ CN: ['ca'] }], algorithm)
    assert.ok(parseRevocation(await makeCrl(ca, { serials: ['05'] }), ca.pem).isRevoked('CN=ca', '05'))
  }
})

test('a list that none of the CAs signed is refused: other name, other key, other kind of key', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const crl = await makeCrl(ca, { serials: ['05'] })
  const [other, sameName] = [await makeCa([{ CN: ['other'] }]), await makeCa([{ CN: ['ca'] }])]
  const sameNameEd = await makeCa([{ CN: ['ca'] }], { name: 'Ed25519' })
  assert.match(faultOf(crl, other.pem), /^crl\.pem: .* in ca\.pem, found one of another issuer \(ca\)$/)
  assert.match(faultOf(crl, sameName.pem), /wrong signature \(ca\)$/)
  assert.match(faultOf(crl, sameNameEd.pem), /wrong signature \(ca\)$/)
  assert.ok(parseRevocation(crl, other.pem + sameName.pem + ca.pem).isRevoked('CN=ca', '05'))
})

test('one good list does not vouch for a bad one beside it', async () => {
  const [ca, other] = [await makeCa([{ CN: ['ca'] }]), await makeCa([{ CN: ['other'] }])]
  assert.match(faultOf((await makeCrl(ca)) + (await makeCrl(other)), ca.pem), /another issuer/)
})

test('a list that any single byte was changed in is refused', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const good = pemBlocks(await makeCrl(ca, { serials: ['05', '06'] }), 'X509 CRL')[0]!
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good)
    bad[at] = (bad[at] ?? 0) ^ 0x41
    assert.match(faultOf(encodePem('X509 CRL', bad), ca.pem), /^crl\.pem: expected /, `byte ${at}`)
  }
})

test('a list cut off anywhere, or with bytes after its end, is refused', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const good = pemBlocks(await makeCrl(ca, { serials: ['05'] }), 'X509 CRL')[0]!
  for (let length = 0; length < good.length; length++) {
    assert.match(faultOf(encodePem('X509 CRL', good.subarray(0, length)), ca.pem), /^crl\.pem: expected /)
  }
  assert.match(faultOf(encodePem('X509 CRL', Buffer.concat([good, Buffer.of(0)])), ca.pem), /bytes after the end/)
})

test('garbage is refused by the name of its file', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const crl = await makeCrl(ca)
  for (const text of ['', 'nonsense', ca.pem, '-----BEGIN X509 CRL-----\n']) {
    assert.match(faultOf(text, ca.pem), /^crl\.pem: expected a PEM block "X509 CRL", found none$/)
  }
  assert.match(faultOf(encodePem('X509 CRL', randomBytes(200)), ca.pem), /^crl\.pem: expected a complete X\.509 CRL/)
  assert.match(faultOf(crl, ''), /^ca\.pem: expected at least one PEM block "CERTIFICATE"/)
  assert.match(faultOf(crl, encodePem('CERTIFICATE', randomBytes(200))), /^ca\.pem: expected certificates/)
})

test('a block labelled CRL, as some tools write it, is read as well', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const crl = (await makeCrl(ca, { serials: ['05'] })).replaceAll('X509 CRL', 'CRL').replaceAll('\n', '\r\n')
  assert.ok(parseRevocation(crl, ca.pem).isRevoked('CN=ca', '05'))
})

test('a delta or partitioned list is refused: it is not the whole truth', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const delta = new x509.Extension('2.5.29.27', true, new Uint8Array([2, 1, 1]))
  assert.match(faultOf(await makeCrl(ca, { extensions: [delta] }), ca.pem), /critical extension 2\.5\.29\.27/)
  const indirect = new x509.Extension('2.5.29.29', true, new Uint8Array([0x30, 0]))
  const crl = await makeCrl(ca, { serials: ['05'], entryExtensions: [indirect] })
  assert.match(faultOf(crl, ca.pem), /critical extension 2\.5\.29\.29/)
})

test('a list of thousands is read, and every entry found', async () => {
  const ca = await makeCa([{ CN: ['ca'] }])
  const serials = Array.from({ length: 3_000 }, () => randomBytes(16).toString('hex'))
  const revocation = parseRevocation(await makeCrl(ca, { serials }), ca.pem)
  assert.equal(revocation.count, serials.length)
  assert.ok(serials.every(serial => revocation.isRevoked('CN=ca', serial.toUpperCase())))
  assert.ok(!serials.some(serial => revocation.isRevoked('CN=ca', `${serial}00`)))
})
