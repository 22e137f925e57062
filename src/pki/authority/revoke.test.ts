import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { ConfigError } from '../../model/errors.ts'
import { authorityFiles } from '../files.ts'
import { crlDaysDefault } from '../limits.ts'
import { parseRevocation, type Revocation } from '../revocation/revocation.ts'
import { initAuthority } from './authority.ts'
import { makeCrl, makeCrlEntry } from './crl.ts'
import { issueDevice, renewDevices } from './devices.ts'
import { listDevices } from './issued.ts'
import { revokeDevices } from './revoke.ts'

const run = promisify(execFile)
const dayMs = 86_400_000

async function authority(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chargelift-pki-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  await initAuthority({ dir })
  return dir
}

const read = (path: string): Promise<string> => readFile(path, 'utf8')

async function listOf(dir: string): Promise<Revocation> {
  const { crl, ca } = authorityFiles(dir)
  return parseRevocation(await read(crl), await read(ca))
}

async function isRevoked(dir: string, ...serials: string[]): Promise<boolean[]> {
  const [list, ca] = [await listOf(dir), new X509Certificate(await read(authorityFiles(dir).ca))]
  return serials.map(serial => list.isRevoked(ca.subject, serial))
}

async function faultsOf(work: Promise<unknown>): Promise<string[]> {
  const error = await work.then(
    () => assert.fail('nothing was refused'),
    (error: unknown) => error
  )
  assert.ok(error instanceof ConfigError, String(error))
  return error.faults.map(({ path, found }) => `${path}: ${found}`)
}

test('a revoked device is in the list, the others are not, and the next revocation forgets nobody', async t => {
  const dir = await authority(t)
  const serials: string[] = []
  for (const name of ['a', 'b', 'c']) serials.push((await issueDevice({ dir, name })).serial)
  const { revoked } = await revokeDevices({ dir, names: ['a'] })
  assert.deepEqual(
    revoked.map(({ name, serial }) => [name, serial]),
    [['a', serials[0]]]
  )
  assert.deepEqual(await isRevoked(dir, ...serials), [true, false, false])
  await revokeDevices({ dir, names: ['c'] })
  assert.deepEqual(await isRevoked(dir, ...serials), [true, false, true])
  const again = await revokeDevices({ dir, names: ['a', 'c'] })
  assert.deepEqual([again.revoked.length, again.already.length, (await listOf(dir)).count], [0, 2, 2])
})

test('all certificates of a name are revoked, or those that were replaced, or one', async t => {
  const dir = await authority(t)
  const first = await issueDevice({ dir, name: 'a' })
  const [second] = await renewDevices({ dir, whom: ['a'], days: '' })
  const [third] = await renewDevices({ dir, whom: ['a'], days: '' })
  const serials = [first, second!, third!].map(({ serial }) => serial)
  const one = await revokeDevices({ dir, names: ['a'], which: { serial: serials[1]!.toLowerCase() } })
  assert.deepEqual(await isRevoked(dir, ...serials), [false, true, false])
  assert.deepEqual(
    one.left.map(({ serial }) => serial),
    [serials[0], serials[2]]
  )
  await revokeDevices({ dir, names: ['a'], which: 'former' })
  assert.deepEqual(await isRevoked(dir, ...serials), [true, true, false])
  await revokeDevices({ dir, names: ['a'] })
  assert.deepEqual(await isRevoked(dir, ...serials), [true, true, true])
})

test('every list is newer than the former, whatever the clock says, and lasts long', async t => {
  const dir = await authority(t)
  await issueDevice({ dir, name: 'a' })
  await issueDevice({ dir, name: 'b' })
  const before = await listOf(dir)
  await revokeDevices({ dir, names: ['a'], nowMs: Date.now() - 3_600_000 })
  const after = await listOf(dir)
  assert.ok(after.thisUpdateMs > before.thisUpdateMs)
  assert.ok(after.nextUpdateMs >= before.nextUpdateMs)
  await revokeDevices({ dir, names: ['b'] })
  assert.ok((await listOf(dir)).thisUpdateMs > after.thisUpdateMs)
})

test('faults are told at once, and nothing is written', async t => {
  const dir = await authority(t)
  await issueDevice({ dir, name: 'a' })
  const before = await read(authorityFiles(dir).crl)
  assert.deepEqual(await faultsOf(revokeDevices({ dir, names: ['a', 'x', 'y'] })), ['NAME: x', 'NAME: y'])
  assert.deepEqual(await faultsOf(revokeDevices({ dir, names: ['a', 'x'], which: 'former' })), [
    'a: only the present one',
    'NAME: x'
  ])
  assert.deepEqual(await faultsOf(revokeDevices({ dir, names: ['a'], which: { serial: '00' } })), ['a: another'])
  assert.equal(await read(authorityFiles(dir).crl), before)
  const none = join(dir, 'none')
  assert.deepEqual(await faultsOf(revokeDevices({ dir: none, names: ['a'] })), [
    `${join(none, 'ca.pem')}: no such file`
  ])
  await assert.rejects(read(join(none, '.lock')), { code: 'ENOENT' })
})

test("another CA's list in the same file is kept as it is", async t => {
  const [dir, other] = [await authority(t), await authority(t)]
  const { serial: theirs } = await issueDevice({ dir: other, name: 'old' })
  await revokeDevices({ dir: other, names: ['old'] })
  const { serial: ours } = await issueDevice({ dir, name: 'new' })
  await appendFile(authorityFiles(dir).ca, await read(authorityFiles(other).ca))
  await appendFile(authorityFiles(dir).crl, await read(authorityFiles(other).crl))
  await revokeDevices({ dir, names: ['new'] })
  assert.deepEqual(await isRevoked(dir, ours), [true])
  const otherCa = new X509Certificate(await read(authorityFiles(other).ca))
  assert.ok((await listOf(dir)).isRevoked(otherCa.subject, theirs))
})

test('init renews a list that ends soon, with every entry', async t => {
  const dir = await authority(t)
  const { serial } = await issueDevice({ dir, name: 'a' })
  await revokeDevices({ dir, names: ['a'] })
  const { nextUpdateMs } = await listOf(dir)
  // The CA must last longer than the list.
  const nowMs = nextUpdateMs - 20 * dayMs
  const ca = new X509Certificate(await read(authorityFiles(dir).ca))
  if (ca.validToDate.getTime() <= nowMs) assert.fail('the CA ends before the list')
  assert.equal((await initAuthority({ dir, nowMs: nowMs - 20 * dayMs })).crl, 'kept')
  assert.equal((await initAuthority({ dir, nowMs })).crl, 'renewed')
  assert.deepEqual(await isRevoked(dir, serial), [true])
  assert.ok((await listOf(dir)).nextUpdateMs >= nowMs + (crlDaysDefault - 1) * dayMs)
})

test('OpenSSL verifies a list of tens of thousands of entries', async t => {
  const dir = await authority(t)
  const { ca, caKey, crl } = authorityFiles(dir)
  const certificate = new X509Certificate(await read(ca))
  const key = createPrivateKey(await read(caKey))
  const serials = ['80', 'ff', '7f', '00ab', ...Array.from({ length: 20_000 }, () => randomBytes(16).toString('hex'))]
  const nowMs = Date.now()
  const dates = [nowMs, Date.parse('2049-12-31T23:59:59Z'), Date.parse('2050-01-01T00:00:00Z')]
  const entries = serials.map((serial, index) => makeCrlEntry(serial, dates[index % 3]!))
  await writeFile(crl, makeCrl({ certificate, key }, entries, Date.parse('2060-01-01T00:00:00Z'), nowMs))
  const list = await listOf(dir)
  assert.equal(list.nextUpdateMs, Date.parse('2060-01-01T00:00:00Z'))
  assert.ok(serials.every(serial => list.isRevoked(certificate.subject, serial)))
  const openssl = run('openssl', ['crl', '-in', crl, '-CAfile', ca, '-noout', '-text'], { maxBuffer: 1e8 })
  const seen = await openssl.catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  if (seen === undefined) return t.diagnostic('no openssl here: it was not asked')
  assert.match(seen.stderr, /verify OK/)
  assert.match(seen.stdout, /Next Update: Jan {2}1 00:00:00 2060 GMT/)
  assert.equal(seen.stdout.match(/Serial Number:/g)?.length, serials.length)
})

test('a renewed device keeps role and chargers, and both certificates are valid', async t => {
  const dir = await authority(t)
  await issueDevice({ dir, name: 'site', role: 'consumer', chargers: ['x', 'y'], days: 10 })
  await issueDevice({ dir, name: 'late', days: 100 })
  const [renewed, ...rest] = await renewDevices({ dir, whom: { withinDays: 30 }, days: '' })
  assert.deepEqual(rest, [])
  assert.deepEqual([renewed!.name, renewed!.role, renewed!.chargers], ['site', 'consumer', ['x', 'y']])
  const all = await listDevices(dir)
  assert.deepEqual(
    all.map(({ name, replaced }) => [name, replaced]),
    [
      ['site', true],
      ['late', false],
      ['site', false]
    ]
  )
  assert.deepEqual(await isRevoked(dir, ...all.map(({ serial }) => serial)), [false, false, false])
  assert.deepEqual(await renewDevices({ dir, whom: { withinDays: 30 }, days: '' }), [])
})

test('who is revoked is not renewed, and no fault leaves half of an order behind', async t => {
  const dir = await authority(t)
  for (const name of ['a', 'b']) await issueDevice({ dir, name, days: 5 })
  await revokeDevices({ dir, names: ['b'] })
  assert.deepEqual(await faultsOf(renewDevices({ dir, whom: ['a', 'b', 'x'], days: '0' })), [
    'NAME: b, revoked',
    'NAME: x',
    '--days: "0"'
  ])
  assert.equal((await listDevices(dir)).length, 2)
  const renewed = await renewDevices({ dir, whom: { withinDays: 30 }, days: '7' })
  assert.deepEqual(
    renewed.map(({ name }) => name),
    ['a']
  )
})
