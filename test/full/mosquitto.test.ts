// Tests Debian's mosquitto_pub and mosquitto_sub against a real server. An engineer tries these first.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import type pg from 'pg'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until, waitMaxMs } from '../harness.ts'

const missing = spawnSync('mosquitto_pub', ['--help']).error && 'apt-get install mosquitto-clients'
const harness = Harness.use()

describe('mosquitto clients', { skip: missing }, () => {
  let server: RunningServer
  let db: pg.Client

  before(async () => {
    const url = await harness.database()
    server = await harness.server(url)
    db = await harness.session(url)
    await harness.device('garage')
    await harness.device('office')
    await harness.device('dash', 'consumer')
  })

  const common = (name: string): string[] => [
    ...['-h', 'localhost', '-p', String(server.mqttPorts[0]), '-V', 'mqttv311', '-i', `${name}:cli`],
    ...['--cafile', join(harness.certs, 'ca.pem')],
    ...['--cert', join(harness.certs, `devices/${name}.pem`), '--key', join(harness.certs, `devices/${name}.key`)]
  ]
  const run = (program: string, args: readonly string[]): Promise<{ code: number | null; stdout: string }> =>
    new Promise(resolve => {
      const child = spawn(program, args)
      let stdout = ''
      child.stdout.on('data', chunk => (stdout += chunk))
      child.on('close', code => resolve({ code, stdout }))
    })
  const publish = (name: string, topic: string, payload: string, qos: number) =>
    run('mosquitto_pub', [...common(name), '-q', String(qos), '-t', topic, '-m', payload])
  const powers = async (): Promise<number[]> =>
    (await db.query('SELECT power_output FROM ev_readings ORDER BY time')).rows.map(row => row.power_output)

  it('publish to their own topic with every QoS, and the row is there', async () => {
    for (const qos of [0, 1, 2]) {
      assert.equal((await publish('garage', 'chargers/garage/PowerOutput', envelope(1000 + qos), qos)).code, 0)
      // QoS 1 and 2 are acknowledged after the commit. With QoS 0 the client does not learn when the message is stored.
      await until(powers, seen => seen.includes(1000 + qos), qos === 0 ? waitMaxMs : 1)
    }
    assert.deepEqual(await powers(), [1000, 1001, 1002])
  })

  it("cannot publish to another device's topic", async () => {
    const { code } = await publish('office', 'chargers/garage/PowerOutput', envelope(6_666), 1)
    assert.notEqual(code, 0)
    assert.deepEqual((await powers()).includes(6_666), false)
  })

  it('a thousand lines of one publisher are a thousand rows', async () => {
    const child = spawn('mosquitto_pub', [...common('office'), '-q', '1', '-t', 'chargers/office/SessionEnergy', '-l'])
    for (let i = 0; i < 1000; i++) child.stdin.write(`${envelope(i)}\n`)
    child.stdin.end()
    assert.equal(await new Promise(resolve => child.on('close', resolve)), 0)
    const { rows } = await db.query(
      'SELECT count(*)::integer AS count, sum(session_energy) AS sum FROM ev_readings WHERE session_energy IS NOT NULL'
    )
    assert.deepEqual(rows[0], { count: 1000, sum: 499_500 })
  })

  it('a consumer gets retained values at once, and an edge nothing of others', async () => {
    const { stdout } = await run('mosquitto_sub', [...common('dash'), '-t', 'chargers/#', '-C', '2', '-W', '60', '-v'])
    const lines = stdout.trim().split('\n').sort()
    assert.match(lines[0]!, /^chargers\/garage\/PowerOutput \{"SamplingTime":"[^"]+","Value":1002\}$/)
    assert.match(lines[1]!, /^chargers\/office\/SessionEnergy \{"SamplingTime":"[^"]+","Value":999\}$/)
    const other = await run('mosquitto_sub', [...common('office'), '-t', 'chargers/garage/#', '-C', '1', '-W', '2'])
    assert.equal(other.stdout, '')
  })
})
