import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { ConfigError } from '../../model/errors.ts'
import { initAuthority } from '../../pki/authority/authority.ts'
import { issueDevice } from '../../pki/authority/devices.ts'
import { run as certsCommand } from './certs.ts'

const run = promisify(execFile)
const script = `const { run } = await import(${JSON.stringify(new URL('./certs.ts', import.meta.url).href)})
  await run(process.argv.slice(1))`

/** Runs the command in a process of its own and returns its stdout, which is what the command promises. */
const certs = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, ['--input-type=module', '-e', script, '--', ...args])).stdout

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chargelift-certs-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function faultPaths(...args: string[]): Promise<string[]> {
  const error = await certsCommand(args).then(
    () => assert.fail('nothing was refused'),
    (error: unknown) => error
  )
  assert.ok(error instanceof ConfigError, String(error))
  return error.faults.map(({ path }) => path)
}

test('init says what it made, for which hosts, what is secret and what comes next', async t => {
  const dir = await tempDir(t)
  const first = await certs('init', '--dir', dir)
  assert.match(first, /CA created, valid until \d{4}-\d\d-\d\d: .*ca\.pem, .*ca\.key/)
  assert.match(first, /for localhost, 127\.0\.0\.1 \(no --host given\)/)
  assert.match(first, /ca\.key secret/)
  assert.match(first, /Next: certs issue NAME --dir/)
  const second = await certs('init', '--dir', dir, '--host', 'cloud.example.com', '--host=10.1.2.3')
  assert.match(second, /CA kept/)
  assert.match(second, /Server certificate replaced \(the hosts differ\)/)
  assert.match(second, /for cloud\.example\.com, 10\.1\.2\.3\n/)
})

test('issue names the three files for the device, and a former certificate that stays valid', async t => {
  const dir = await tempDir(t)
  await initAuthority({ dir })
  const first = await certs('issue', 'wb-1', '--dir', dir)
  assert.match(first, /Issued wb-1: role edge, for its own charger, serial [0-9A-F]{32}, valid until/)
  for (const file of ['devices/wb-1.pem', 'devices/wb-1.key', 'ca.pem']) assert.ok(first.includes(join(dir, file)))
  const serial = /serial ([0-9A-F]+)/.exec(first)![1]!
  const second = await certs(
    'issue',
    'wb-1',
    '--dir',
    dir,
    '--force',
    '--charger',
    'x',
    '--charger',
    'y',
    '--days',
    '9'
  )
  assert.match(second, /for x y/)
  assert.ok(second.endsWith(`${serial}\n`))
  assert.doesNotMatch(first + second, /PRIVATE KEY/)
})

test('issue --csv issues them all', async t => {
  const dir = await tempDir(t)
  await initAuthority({ dir })
  const file = join(dir, 'devices.csv')
  await writeFile(file, 'name,role,chargers,days\nwb-1,edge,a;b c,30\nbiller,consumer,,\n')
  const output = await certs('issue', '--csv', file, '--dir', dir)
  assert.match(output, /^Issued 2 certificates:\n {2}wb-1: .*\n {2}biller: /)
  assert.match(await readFile(join(dir, 'devices', 'biller.pem'), 'utf8'), /BEGIN CERTIFICATE/)
})

test('list is an aligned table with what is left of each certificate', async t => {
  const dir = await tempDir(t)
  assert.match(await certs('list', '--dir', dir), /Nothing has been issued/)
  await initAuthority({ dir, nowMs: Date.now() - 100 * 86_400_000 })
  await issueDevice({ dir, name: 'gone', days: 5, nowMs: Date.now() - 50 * 86_400_000 })
  await issueDevice({ dir, name: 'a-rather-long-name', chargers: ['a', 'b', 'c', 'd'], days: 5 })
  await issueDevice({ dir, name: 'gone', days: 7, replace: true })
  const lines = (await certs('list', '--dir', dir)).split('\n')
  const column = lines[0]!.indexOf('SERIAL')
  for (const line of lines.slice(1, 4)) assert.match(line.slice(column), /^[0-9A-F]{32} {2}\d{4}-\d\d-\d\d {3}\S/)
  assert.match(lines[1]!, /^gone .* its own .* expired \(replaced\)$/)
  assert.match(lines[2]!, /a b c and 1 more .* 4$/)
  assert.match(lines[3]!, /^gone .* 6$/)
})

test('renew and revoke say what happened, what is still valid, and what comes next', async t => {
  const dir = await tempDir(t)
  await initAuthority({ dir })
  const { serial: former } = await issueDevice({ dir, name: 'wb-1' })
  const renewed = await certs('renew', 'wb-1', '--dir', dir)
  assert.match(renewed, /^Issued 1 certificate:\n {2}wb-1: .*wb-1\.pem, .*wb-1\.key\n/)
  assert.match(renewed, new RegExp(`A former certificate of wb-1 stays valid until .*: ${former}\n`))
  assert.match(renewed, /certs revoke wb-1 --former\n$/)
  const revoked = await certs('revoke', 'wb-1', '--former', '--dir', dir)
  assert.match(revoked, new RegExp(`^Revoked wb-1: ${former}\nUpdated .*crl\\.pem`))
  assert.match(revoked, /wb-1 keeps [0-9A-F]{32}, its present certificate\.\n$/)
  assert.match(await certs('revoke', 'wb-1', '--former', '--dir', dir), /^Revoked before: .*\nNothing was changed\.\n/)
  assert.match(await certs('list', '--dir', dir), new RegExp(`${former} .* revoked\n`))
  assert.match(await certs('renew', '--within', '1', '--dir', dir), /^No certificate ends within 1 days/)
})

test('renew and revoke tell all faults at once', async t => {
  const dir = await tempDir(t)
  await initAuthority({ dir })
  assert.deepEqual(await faultPaths('renew', 'a', '--within', '3', '--dir', dir), ['arguments'])
  assert.deepEqual(await faultPaths('renew', '--within', 'x', '--bogus', '--dir', dir), ['flags', '--within'])
  assert.deepEqual(await faultPaths('renew', '--dir', dir), ['arguments'])
  assert.deepEqual(await faultPaths('revoke', '--dir', dir), ['NAME'])
  assert.deepEqual(await faultPaths('revoke', 'a', 'b', '--serial', 'xyz', '--dir', dir), ['--serial', '--serial'])
})

test('all faults of a command are told at once', async t => {
  const dir = await tempDir(t)
  await initAuthority({ dir })
  const bad = [
    'issue',
    '../x',
    'y',
    '--role',
    'boss',
    '--charger',
    'a b',
    '--days',
    '1.5',
    '--bogus',
    '--dir',
    dir,
    '--csv'
  ]
  assert.deepEqual(
    (await faultPaths(...bad)).sort(),
    ['flags', '--charger', '--csv', '--days', '--role', 'arguments'].sort()
  )
  const paths = await faultPaths(...bad.slice(0, -1))
  assert.deepEqual(paths.sort(), ['flags', '--charger', '--days', '--role', 'NAME', 'arguments'].sort())
  assert.deepEqual(await faultPaths('init', '--dir', dir, '--host', 'a b', '--host', '1.2.3'), ['--host', '--host'])
  assert.deepEqual(await faultPaths('init', '--host', '--dir', dir, 'x'), ['--host', 'arguments'])
  assert.deepEqual(await faultPaths('issue', '--dir', dir, '--force=yes'), ['--force', 'NAME'])
  assert.deepEqual(await faultPaths('issue', '--dir', dir, '--csv='), ['--csv'])
  assert.deepEqual(await faultPaths('init', '--dir', dir, '--dir'), ['--dir'])
})

test('all faults of a CSV file are told at once, by line, before anything is issued', async t => {
  const dir = await tempDir(t)
  await initAuthority({ dir })
  await issueDevice({ dir, name: 'old' })
  const file = join(dir, 'd.csv')
  await writeFile(file, 'name,role,chargers,days\ngood,,,\nold,,,\n/,boss,a/b,x\ngood,,,\nop,operator,c,\nx,,,,,\n')
  const faults = await faultPaths('issue', '--csv', file, '--dir', dir, '--days', '3', 'NAME')
  const lines = ['6 chargers', '3 name', '4 name', '4 role', '4 chargers', '4 days', '5 name', '7']
  assert.deepEqual(faults.sort(), ['--days', 'arguments', ...lines.map(line => `${file} line ${line}`)].sort())
  await assert.rejects(readFile(join(dir, 'devices', 'good.pem')), { code: 'ENOENT' })
  assert.deepEqual(await faultPaths('issue', '--csv', join(dir, 'none.csv'), '--dir', dir), ['--csv'])
})

test('an unknown or missing subcommand is a fault that names the known ones', async () => {
  await assert.rejects(
    certsCommand(['rewoke']),
    /^ConfigError: Unknown command certs rewoke\. Did you mean certs revoke\?$/
  )
  await assert.rejects(certsCommand(['fly']), /Expected init, issue, sign, bundle, renew, revoke or list\.$/)
  await assert.rejects(
    certsCommand([]),
    /certs needs a command: init, issue, .*"chargelift certs --help" explains them\.$/
  )
})
