// Tests `chargelift edge --check` against a real server and a real charger API: what an installer sees, and what the
// check leaves unchanged.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startSimulatedCharger } from '../../src/demo/simulatedCharger.ts'
import { loadEdgeConfig } from '../../src/edge/config.ts'
import { startEdge } from '../../src/edge/edge.ts'
import { readableLog } from '../../src/edge/testing/log.ts'
import { Harness, until } from '../harness.ts'

const harness = Harness.use()
const pin = 'pin-0815'
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Starts a server and a charger, and writes a configuration for them. */
async function site(name: string, devKey = pin) {
  const databaseUrl = await harness.database()
  const server = await harness.server(databaseUrl)
  await harness.device(name)
  const box = await startSimulatedCharger({ port: 0, devKey: pin, name, startPhase: 'idle' })
  harness.onEnd(() => box.stop())
  const path = join(harness.dir, `${name}.yaml`)
  const at = (file: string): string => join(harness.certs, file)
  const yaml = [
    `broker: mqtts://localhost:${server.mqttPorts[0]}`,
    `tls: {ca: ${at('ca.pem')}, cert: ${at(`devices/${name}.pem`)}, key: ${at(`devices/${name}.key`)}}`,
    `spool: {path: ${name}.sqlite}`,
    'chargers:',
    `  - {name: ${name}, driver: mennekes-amtron, url: "${box.url}", devKey: "${devKey}", pollIntervalMs: 200}`
  ]
  writeFileSync(path, yaml.join('\n'))
  return { path, database: await harness.session(databaseUrl) }
}

async function runCheck(path: string): Promise<{ code: number; output: string }> {
  const args = ['src/cli.ts', 'edge', '--config', path, '--check']
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  return { code, output }
}

test('a new edge is tried over the whole way, and its poll is in the database; lifetime energy is left to the edge', async () => {
  const { path, database } = await site('new-box')
  const { code, output } = await runCheck(path)
  assert.equal(code, 0, output)
  for (const step of ['config', 'certificate', 'clock', 'spool', 'broker', 'charger', 'store']) {
    assert.match(output, new RegExp(`^(ok  |note)  ${step} `, 'm'))
  }
  assert.match(output, /^ {8}OperationState +idle$/m)
  assert.match(output, /^ok {4}store +new-box: stored in \d+ ms \(6 values\)$/m)
  assert.match(output, /The whole way works\.$/m)
  assert.doesNotMatch(output, new RegExp(pin))
  const { rows } = await database.query('SELECT operation_state, total_energy_consumption AS total FROM ev_readings')
  assert.deepEqual(rows, [{ operation_state: 'idle', total: null }])
})

test('beside a running edge: nobody is disconnected, no current value and no lifetime energy changes, nothing is rejected', async t => {
  const { path, database } = await site('busy-box')
  const { log, events } = readableLog()
  const edge = await startEdge(loadEdgeConfig(path), { log })
  t.after(() => edge.stop())
  const stored = async (): Promise<number> =>
    (await database.query('SELECT count(*)::integer AS count FROM ev_readings')).rows[0].count
  await until(stored, count => count > 0)
  await until(
    async () => (await database.query("SELECT 1 FROM edge_connections WHERE state = 'online'")).rowCount,
    count => count === 1
  )
  const before = await stored()
  const { code, output } = await runCheck(path)
  assert.equal(code, 0, output)
  assert.match(output, /spool .* in use by a running edge$/m)
  assert.match(output, /^ok {4}store +busy-box: stored in \d+ ms/m)
  await until(stored, count => count > before)
  assert.equal(events().filter(event => event === 'disconnected').length, 0)
  const { rows } = await database.query(
    'SELECT total_energy_consumption AS total FROM ev_readings WHERE total_energy_consumption IS NOT NULL ORDER BY time'
  )
  const totals = rows.map(({ total }) => total)
  assert.deepEqual(
    totals,
    [...totals].sort((a, b) => a - b)
  )
  assert.equal((await database.query('SELECT 1 FROM rejected_messages')).rowCount, 0)
})

test('a wrong PIN fails that step alone, says what to do, and exits 1; nothing is published', async () => {
  const { path, database } = await site('wrong-pin', 'pin-4711')
  const { code, output } = await runCheck(path)
  assert.equal(code, 1)
  assert.match(output, /^ok {4}broker /m)
  assert.match(output, /^FAIL {2}charger .*forbidden\. 403: the key is not PIN 1/m)
  assert.match(output, /^skip {2}store /m)
  assert.doesNotMatch(output, /pin-4711/)
  assert.equal((await database.query('SELECT 1 FROM ev_readings')).rowCount, 0)
})
