// Tests deploy/mosquitto-bridge.conf with a real Mosquitto. The messages that devices publish to a broker on site
// arrive in the database.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../../src/server/ports.ts'
import { envelope, Harness, until } from '../harness.ts'
import { root } from '../products.ts'

const isThere = (program: string): boolean =>
  spawnSync('which', [program], { env: { PATH: `${process.env.PATH}:/usr/sbin` } }).status === 0
const missing = !['mosquitto', 'mosquitto_pub'].every(isThere) && 'apt-get install mosquitto mosquitto-clients'

describe('a Mosquitto on site', { skip: missing }, () => {
  const h = Harness.use()
  let port = 0
  let mosquitto: ChildProcess
  let log = ''
  let databaseUrl = ''

  before(async () => {
    databaseUrl = await h.database()
    const server = await h.server(databaseUrl)
    await h.device('site-1', 'edge', ['wallbox-1', 'wallbox-2'])
    port = await freePort()
    const state = join(h.dir, 'mosquitto')
    mkdirSync(state)
    const at = (name: string): string => join(h.certs, name)
    const example = readFileSync(join(root, 'deploy/mosquitto-bridge.conf'), 'utf8')
    const bridge = example
      .replace('cloud.example.com:8883', `localhost:${server.mqttPorts[0]}`)
      .replace('/etc/mosquitto/chargelift/ca.pem', at('ca.pem'))
      .replace(/\/etc\/mosquitto\/chargelift\/(site-1\.\w+)/g, (_, file) => at(`devices/${file}`))
      .replace('/var/lib/mosquitto/', `${state}/`)
    assert.doesNotMatch(bridge.replace(/^#.*$/gm, ''), /\/etc\/|example\.com|\/var\//)
    // Mosquitto started as root changes to another user, and that user cannot read the files here.
    const conf = `user root\nlistener ${port} 127.0.0.1\nallow_anonymous true\nlog_type all\n${bridge}`
    writeFileSync(join(h.dir, 'mosquitto.conf'), conf)
    mosquitto = spawn('mosquitto', ['-c', join(h.dir, 'mosquitto.conf')], {
      env: { PATH: `${process.env.PATH}:/usr/sbin` }
    })
    for (const stream of [mosquitto.stdout!, mosquitto.stderr!]) stream.on('data', chunk => (log += chunk))
  })

  after(async () => {
    if (mosquitto.exitCode !== null) return
    const closed = once(mosquitto, 'close')
    mosquitto.kill()
    await closed
  })

  it('hands on what its devices publish, for each charger in its certificate; the connection lasts', async () => {
    const db = await h.session(databaseUrl)
    const publish = (charger: string, watts: number): void => {
      const args = [
        '-h',
        '127.0.0.1',
        '-p',
        String(port),
        '-q',
        '1',
        '-t',
        `chargers/${charger}/PowerOutput`,
        '-m',
        envelope(watts)
      ]
      const { status, stderr } = spawnSync('mosquitto_pub', args, { encoding: 'utf8' })
      assert.equal(status, 0, `${stderr}\n${log}`)
    }
    const powers = async (): Promise<string> => {
      const { rows } = await db.query(
        'SELECT name, power_output FROM ev_readings JOIN chargers ON id = charger_id ORDER BY power_output'
      )
      return rows.map(row => `${row.name} ${row.power_output}`).join(', ')
    }
    await until(
      () => log,
      text => /listener|mosquitto version/.test(text)
    )
    await until(
      () => spawnSync('mosquitto_pub', ['-h', '127.0.0.1', '-p', String(port), '-t', 'elsewhere', '-m', 'x']).status,
      status => status === 0
    )
    publish('wallbox-1', 1_000)
    publish('wallbox-2', 2_000)
    publish('wallbox-1', 3_000)
    await until(powers, seen => seen === 'wallbox-1 1000, wallbox-2 2000, wallbox-1 3000')
    assert.doesNotMatch(log, /Connection Refused|socket error|closed its connection/i)
  })
})
