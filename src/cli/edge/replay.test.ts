import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestAuthority } from '../../edge/testing/certificates.ts'
import { temporaryFolder } from '../../edge/testing/folder.ts'
import { ConfigError } from '../../model/errors.ts'
import { run } from './replay.ts'

const faultsOf = async (...args: string[]) => {
  try {
    await run(args)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults.map(({ path, found }) => [path, found])
  }
  return assert.fail('no fault')
}

test('every fault of the command line is told at once', async () => {
  assert.deepEqual(await faultsOf('--config', ''), [
    ['--since', 'nothing'],
    ['--config', '""']
  ])
  assert.deepEqual(await faultsOf('--since', 'yesterday', '--config', 'x'), [['--since', '"yesterday"']])
  assert.deepEqual(await faultsOf('--since', '2999-01-01', '--config', 'x'), [['--since', '2999-01-01']])
  assert.deepEqual(await faultsOf('--until', '--since', '2026-01-01', 'stray'), [
    ['flags', '--until'],
    ['arguments', 'stray']
  ])
  assert.deepEqual(await faultsOf('--since'), [['--since', 'nothing']])
  assert.deepEqual(
    (await faultsOf('--since', '2026-01-01', '--config', '/no/such/edge.yaml'))[0]?.[0],
    '/no/such/edge.yaml'
  )
})

test('the request lies beside the spool of that configuration, and what was asked for is said', async t => {
  const folder = temporaryFolder(t)
  const authority = await TestAuthority.make()
  const { cert, key } = await authority.issue('wb')
  for (const [name, text] of Object.entries({ 'ca.pem': authority.ca, 'wb.pem': cert, 'wb.key': key })) {
    writeFileSync(join(folder, name), text)
  }
  const config = join(folder, 'edge.yaml')
  writeFileSync(
    config,
    'broker: mqtts://localhost\ntls: {ca: ca.pem, cert: wb.pem, key: wb.key}\nspool: {path: here.sqlite}\n' +
      'chargers: [{name: wb, driver: mennekes-amtron, url: "http://127.0.0.1:25000", devKey: "0000"}]\n'
  )
  assert.deepEqual(
    (await faultsOf('--since', '2026-11-01', '--config', config))[0]?.[0],
    'spool.path',
    'no edge ran here'
  )
  writeFileSync(join(folder, 'here.sqlite'), '')
  const printed: string[] = []
  await run(['--since', '2026-11-01T12:00:00+01:00', '--config', config], text => printed.push(text))
  assert.match(printed.join(''), /^Noted: what was sampled since 2026-11-01T11:00:00\.000Z will be sent again\./)
  assert.equal(readFileSync(join(folder, 'here.sqlite.replay'), 'utf8'), '{"since":"2026-11-01T11:00:00.000Z"}\n')
})
