import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { loadEdgeConfig } from '../../edge/config.ts'
import { ConfigError } from '../../model/errors.ts'
import { initAuthority } from '../../pki/authority/authority.ts'
import { issueDevice, renewDevices } from '../../pki/authority/devices.ts'
import { listDevices } from '../../pki/authority/issued.ts'
import { revokeDevices } from '../../pki/authority/revoke.ts'
import { run as enroll } from '../edge/enroll.ts'
import { bundleCommand } from './bundle.ts'
import { signCommand } from './sign.ts'

/** Makes a CA in the folder `ca`, and a folder `pi` that stands for a Pi. */
async function bench(t: TestContext): Promise<{ ca: string; pi: string; at: (name: string) => string }> {
  const folder = mkdtempSync(join(tmpdir(), 'chargelift-enrolment-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const at = (name: string): string => join(folder, name)
  await initAuthority({ dir: at('ca'), hosts: ['localhost', 'cloud.example.com'] })
  mkdirSync(at('pi'))
  return { ca: at('ca'), pi: at('pi'), at }
}

async function enrolled(dir: string, name: string): Promise<string> {
  let printed = ''
  await enroll(
    [name, '--dir', dir],
    text => (printed += text),
    () => {}
  )
  return printed
}

async function faultsOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail('nothing was refused'),
    (error: unknown) => error
  )
  assert.ok(error instanceof ConfigError, String(error))
  return error.message
}

/** Returns what a command prints to standard output. */
async function said(t: TestContext, work: () => Promise<void>): Promise<string> {
  const write = t.mock.method(process.stdout, 'write', () => true)
  await work()
  const text = write.mock.calls.map(({ arguments: [chunk] }) => String(chunk)).join('')
  write.mock.restore()
  return text
}

test('the key is made on the Pi, mode 0600, and never leaves it; certificate and bundle come without one', async t => {
  const { ca, pi, at } = await bench(t)
  const dir = join(pi, 'wallbox-1')
  writeFileSync(at('csr'), await enrolled(dir, 'wallbox-1'))
  assert.equal(statSync(join(dir, 'wallbox-1.key')).mode & 0o777, 0o600)
  assert.doesNotMatch(readFileSync(at('csr'), 'utf8'), /PRIVATE/)
  await said(t, () => signCommand([at('csr'), '--dir', ca, '--charger', 'wb-a', '--charger', 'wb-b', '--days', '30']))
  assert.deepEqual(readdirSync(join(ca, 'devices')), ['wallbox-1.pem'])
  const certificate = new X509Certificate(readFileSync(join(ca, 'devices/wallbox-1.pem')))
  assert.equal(certificate.subject, 'OU=edge\nCN=wallbox-1')
  assert.equal(certificate.subjectAltName, 'URI:urn:chargelift:charger:wb-a, URI:urn:chargelift:charger:wb-b')
  assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(dir, 'wallbox-1.key')))))
  const flags = ['--url', 'wb-a=http://10.0.0.1:25000', '--dev-key', 'wb-a=0815', '--driver', 'wb-b=mennekes-ecu']
  const told = await said(t, () => bundleCommand(['wallbox-1', '--dir', ca, '--out', at('b.tar'), ...flags]))
  const inOrder =
    /edge enroll wallbox-1.*tar -xf wallbox-1\.tar -C \/etc\/chargelift\/edge\n.*filled in.*url of wb-b\n.*enable --now/s
  assert.match(told, inOrder) // the edge must not start before its settings are filled in
  assert.doesNotMatch(told, /url of wb-a|devKey/)
  execFileSync('tar', ['-xf', at('b.tar'), '-C', pi])
  assert.deepEqual(readdirSync(dir).sort(), ['ca.pem', 'edge.yaml', 'wallbox-1.key', 'wallbox-1.pem'])
  const yaml = parse(readFileSync(join(dir, 'edge.yaml'), 'utf8'))
  assert.equal(yaml.broker, 'mqtts://cloud.example.com:8883')
  assert.deepEqual(yaml.chargers[0], {
    name: 'wb-a',
    driver: 'mennekes-amtron',
    url: 'http://10.0.0.1:25000',
    devKey: '0815'
  })
  assert.equal(yaml.chargers[1].driver, 'mennekes-ecu')
})

test('what is bundled is a configuration that the edge takes, with the key when it was made here', async t => {
  const { ca, pi, at } = await bench(t)
  await issueDevice({ dir: ca, name: 'wallbox-1' })
  const flags = ['--url', 'http://10.0.0.1:25000', '--dev-key', '0815', '--broker', 'mqtts://10.9.9.9:1883']
  const told = await said(t, () => bundleCommand(['wallbox-1', '--dir', ca, '--out', at('b.tar'), ...flags]))
  assert.match(told, /secret/)
  assert.match(
    told,
    /tar -xf wallbox-1\.tar -C \/etc\/chargelift\/edge && sudo systemctl enable --now chargelift-edge@wallbox-1\n/
  )
  assert.equal(statSync(at('b.tar')).mode & 0o777, 0o600)
  const listed = execFileSync('tar', ['-tvf', at('b.tar')], { encoding: 'utf8' })
  assert.match(listed, /^drwxr-x--- chargelift-edge\/chargelift-edge .*wallbox-1\/$/m)
  assert.match(listed, /^-rw------- chargelift-edge\/chargelift-edge .*wallbox-1\/wallbox-1\.key$/m)
  execFileSync('tar', ['-xf', at('b.tar'), '-C', pi])
  const config = loadEdgeConfig(join(pi, 'wallbox-1/edge.yaml'))
  assert.equal(config.chargers[0]?.url, 'http://10.0.0.1:25000')
})

test('enrolling again prints a request for the key that is there', async t => {
  const { pi } = await bench(t)
  const names = [await enrolled(pi, 'a'), await enrolled(pi, 'a')]
  const key = readFileSync(join(pi, 'a.key'), 'utf8')
  assert.equal(names.length, 2)
  await enrolled(pi, 'a')
  assert.equal(readFileSync(join(pi, 'a.key'), 'utf8'), key)
  writeFileSync(join(pi, 'b.key'), 'nonsense')
  assert.match(await faultsOf(enrolled(pi, 'b')), /b\.key: expected no file, or a P-256 key/)
  assert.match(await faultsOf(enrolled(pi, '../x')), /^NAME: /m)
})

test('a renewal is for the key that the device has, and none is made here', async t => {
  const { ca, pi, at } = await bench(t)
  writeFileSync(at('csr'), await enrolled(pi, 'a'))
  await said(t, () => signCommand([at('csr'), '--dir', ca]))
  await renewDevices({ dir: ca, whom: ['a'], days: '' })
  const certificate = new X509Certificate(readFileSync(join(ca, 'devices/a.pem')))
  assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(pi, 'a.key')))))
  assert.equal(existsSync(join(ca, 'devices/a.key')), false)
  assert.deepEqual(
    (await listDevices(ca)).map(({ ownKey, replaced }) => [ownKey, replaced]),
    [
      [true, true],
      [true, false]
    ]
  )
})

test('a name that has a certificate is signed again only with --force; the key made here for the former one goes', async t => {
  const { ca, pi, at } = await bench(t)
  await issueDevice({ dir: ca, name: 'a' })
  writeFileSync(at('csr'), await enrolled(pi, 'a'))
  assert.match(await faultsOf(signCommand([at('csr'), '--dir', ca])), /--force/)
  await said(t, () => signCommand([at('csr'), '--dir', ca, '--force']))
  assert.deepEqual(readdirSync(join(ca, 'devices')), ['a.pem'])
})

test('who is unknown, revoked or no edge gets no bundle, and faults are told at once', async t => {
  const { ca, at } = await bench(t)
  const faults = (name: string, ...flags: string[]): Promise<string> =>
    faultsOf(bundleCommand([name, '--dir', ca, '--out', at('b.tar'), ...flags]))
  assert.match(await faults('nobody'), /^NAME: .*certs list/m)
  await issueDevice({ dir: ca, name: 'boss', role: 'operator' })
  assert.match(await faults('boss'), /^NAME: .*role edge/m)
  await issueDevice({ dir: ca, name: 'a', chargers: ['x', 'y'] })
  const many = await faults('a', '--driver', 'x=tesla', '--url', 'http://h', '--broker', 'tcp://h')
  for (const path of ['--driver', '--url', '--broker']) assert.match(many, new RegExp(`^${path}: `, 'm'))
  await revokeDevices({ dir: ca, names: ['a'] })
  assert.match(await faults('a'), /revoked/)
  assert.equal(existsSync(at('b.tar')), false)
})
