import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import type { Role } from '../../model/server/admission.ts'
import { authorityFiles } from '../files.ts'
import { initAuthority } from './authority.ts'
import { type DeviceOrder, issueDevice, issueDevices } from './devices.ts'
import { listDevices } from './issued.ts'

const dayMs = 86_400_000

async function authority(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chargelift-pki-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  await initAuthority({ dir })
  return dir
}

const certificateAt = async (path: string): Promise<X509Certificate> => new X509Certificate(await readFile(path))
const order = (name: string, more: Partial<DeviceOrder['draft']> = {}): DeviceOrder => ({
  draft: { name, role: '', chargers: [], days: '', ...more },
  pathOf: field => `${name} ${field}`
})

async function faultsOf(work: Promise<unknown>): Promise<string[]> {
  const error = await work.then(
    () => assert.fail('nothing was refused'),
    (error: unknown) => error
  )
  assert.ok(error instanceof ConfigError, String(error))
  return error.faults.map(({ path, expected, found }) => `${path}: ${expected}: ${found}`)
}

test('a device certificate names device and role once, its chargers, and clientAuth', async t => {
  const dir = await authority(t)
  const cases: [string, Role, string[], string | undefined][] = [
    ['a', 'edge', [], undefined],
    ['site.7_x', 'edge', ['wb-1', 'wb-2'], 'URI:urn:chargelift:charger:wb-1, URI:urn:chargelift:charger:wb-2'],
    ['biller', 'consumer', ['wb-1'], 'URI:urn:chargelift:charger:wb-1'],
    ['boss', 'operator', [], undefined]
  ]
  for (const [name, role, chargers, names] of cases) {
    const { files, serial } = await issueDevice({ dir, name, role, chargers, days: 10 })
    const certificate = await certificateAt(files.certificate)
    assert.equal(certificate.subject, `OU=${role}\nCN=${name}`)
    assert.equal(certificate.subjectAltName, names)
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
    assert.equal(certificate.serialNumber, serial)
    assert.ok(!certificate.ca && certificate.verify((await certificateAt(authorityFiles(dir).ca)).publicKey))
  }
})

test('a certificate lasts as many days as were asked for, and none longer than the CA', async t => {
  const dir = await authority(t)
  const nowMs = Math.floor(Date.now() / 1000) * 1000
  const { notAfter } = await issueDevice({ dir, name: 'a', days: 7, nowMs })
  assert.equal(Date.parse(notAfter), nowMs + 7 * dayMs)
  const { validToDate } = await certificateAt(authorityFiles(dir).ca)
  const late = { dir, name: 'b', nowMs: validToDate.getTime() - 20 * dayMs }
  assert.match((await faultsOf(issueDevice({ ...late, days: 21 })))[0]!, /^days: .* 1 to 20 \(the CA ends .*: "21"$/)
  assert.match((await faultsOf(issueDevice(late)))[0]!, /825, the default$/)
  assert.equal((await issueDevice({ ...late, days: 20 })).notAfter, validToDate.toISOString())
})

test('a device that has a certificate keeps it, unless its replacement is asked for', async t => {
  const dir = await authority(t)
  const first = await issueDevice({ dir, name: 'a' })
  const before = await readFile(first.files.key, 'utf8')
  assert.match((await faultsOf(issueDevice({ dir, name: 'a' })))[0]!, /^name: .*--force.*a\.pem and .*a\.key$/)
  await rm(first.files.certificate)
  assert.match((await faultsOf(issueDevice({ dir, name: 'a' })))[0]!, /a\.key$/)
  assert.equal(await readFile(first.files.key, 'utf8'), before)
  const second = await issueDevice({ dir, name: 'a', replace: true })
  assert.notEqual(await readFile(first.files.key, 'utf8'), before)
  const listed = (await listDevices(dir)).map(({ serial, replaced }) => ({ serial, replaced }))
  const expected = [
    { serial: first.serial, replaced: true },
    { serial: second.serial, replaced: false }
  ]
  assert.deepEqual(listed, expected)
})

test('everything issued stays listed, in order, when its files are gone', async t => {
  const dir = await authority(t)
  assert.deepEqual(await listDevices(dir), [])
  for (const name of ['b', 'a']) await issueDevice({ dir, name, chargers: [`of-${name}`] })
  await rm(join(dir, 'devices'), { recursive: true })
  const listed = await listDevices(dir)
  assert.deepEqual(
    listed.map(({ name, role, chargers }) => [name, role, chargers]),
    [
      ['b', 'edge', ['of-b']],
      ['a', 'edge', ['of-a']]
    ]
  )
})

test('an index with a line that a crash has cut is refused by line number, and goes on after it', async t => {
  const dir = await authority(t)
  await issueDevice({ dir, name: 'a' })
  const { issued } = authorityFiles(dir)
  await appendFile(issued, '{"name":"cut')
  await issueDevice({ dir, name: 'b' })
  assert.deepEqual(
    (await faultsOf(listDevices(dir))).map(fault => fault.split(':')[0]),
    [`${issued} line 2`]
  )
  const lines = (await readFile(issued, 'utf8')).split('\n')
  await writeFile(issued, lines.filter(line => line !== '{"name":"cut').join('\n'))
  assert.deepEqual(
    (await listDevices(dir)).map(({ name }) => name),
    ['a', 'b']
  )
})

test('the faults of all orders are told at once, and then nothing is issued', async t => {
  const dir = await authority(t)
  await issueDevice({ dir, name: 'old' })
  const orders = [order('good'), order('../x'), order('old'), order('good'), order('y', { role: 'boss', days: '0' })]
  const found = await faultsOf(issueDevices(dir, orders, { faults: [{ path: 'before', expected: 'x', found: 'y' }] }))
  const paths = found.map(fault => fault.split(':')[0])
  assert.deepEqual(paths.toSorted(), ['../x name', 'before', 'good name', 'old name', 'y days', 'y role'])
  assert.deepEqual((await readdir(join(dir, 'devices'))).sort(), ['old.key', 'old.pem'])
  assert.equal((await listDevices(dir)).length, 1)
})

test('without a CA the fault says how to make one, beside the other faults, and no folder appears', async t => {
  const dir = join(await authority(t), 'mistyped')
  const found = await faultsOf(issueDevice({ dir, name: '', days: 9999 }))
  assert.match(found[0]!, /ca\.pem: a CA: no such file/)
  await assert.rejects(
    issueDevice({ dir, name: 'a' }),
    /mistyped\/ca\.pem: no such file\. "chargelift certs init" makes a CA\.$/
  )
  assert.deepEqual(
    found.slice(1).map(fault => fault.split(':')[0]),
    ['name', 'days']
  )
  await assert.rejects(stat(dir), { code: 'ENOENT' })
})

test('without the CA key nothing is issued', async t => {
  const dir = await authority(t)
  await rm(authorityFiles(dir).caKey)
  await assert.rejects(issueDevice({ dir, name: 'a' }), /ca\.key: no such file\. .*where the key is kept\.$/)
})

test('the same name issued by two callers at once is issued once', async t => {
  const dir = await authority(t)
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => issueDevice({ dir, name: 'a' })))
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  const [listed, ...none] = await listDevices(dir)
  assert.deepEqual(none, [])
  const certificate = await certificateAt(join(dir, 'devices', 'a.pem'))
  assert.equal(certificate.serialNumber, listed!.serial)
})

test('a hundred devices get a hundred different serials', async t => {
  const dir = await authority(t)
  const issued = await issueDevices(
    dir,
    Array.from({ length: 100 }, (_, index) => order(`d${index}`))
  )
  assert.equal(new Set(issued.map(({ serial }) => serial)).size, 100)
  assert.deepEqual(
    (await listDevices(dir)).map(({ serial }) => serial),
    issued.map(({ serial }) => serial)
  )
})
