// Tests that no secret leaves in a log line, a metric, an error or a table. The server, the edge and the command line
// work and fail. All their output is searched for all the secrets that they were given.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type SimulatedCharger, startSimulatedCharger } from '../../src/demo/simulatedCharger.ts'
import { Harness, until } from '../harness.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const devKey = '86420975'
const wrongDevKey = '13579246'
const wrongPassword = 'a-password-that-is-wrong'
const wrongToken = `clft_${'w'.repeat(43)}`

describe('secrets', () => {
  const harness = Harness.use()
  let url = ''
  let charger: SimulatedCharger
  /** All output and all answers so far. */
  const outputs: string[] = []
  const printed = (): string => outputs.join('\n')

  before(async () => {
    url = await harness.database()
    await harness.device('c1')
    charger = await startSimulatedCharger({ port: 0, devKey, name: 'c1', speed: 20 })
    harness.onEnd(() => charger.stop())
  })

  function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const { DATABASE_URL: _url, REDIS_URL: _redis, ...inherited } = process.env
    const child = spawn(process.execPath, [cli, ...args], { cwd: harness.dir, env: { ...inherited, ...env } })
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => outputs.push(String(chunk)))
    harness.onEnd(async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    })
    return child
  }

  async function run(
    args: readonly string[],
    env: Record<string, string> = {}
  ): Promise<{ code: number; out: string }> {
    const child = start(args, env)
    let out = ''
    child.stdout!.on('data', chunk => (out += chunk))
    const [code] = await once(child, 'close')
    return { code, out }
  }

  /**
   * Writes the configuration of an edge, with faults if the test gives faulty values. Returns the arguments to run it.
   */
  function edgeConfig(file: string, broker: string, key: string, more = ''): string[] {
    const at = (name: string): string => join(harness.certs, name)
    const tls = `{ca: ${at('ca.pem')}, cert: ${at('devices/c1.pem')}, key: ${at('devices/c1.key')}}`
    const device = `{name: c1, driver: mennekes-amtron, url: "${charger.url}", devKey: ${key}, pollIntervalMs: 200}`
    writeFileSync(
      join(harness.dir, file),
      `broker: ${broker}\ntls: ${tls}\nspool: {path: ${file}.sqlite}\nchargers:\n  - ${device}\n${more}`
    )
    return ['edge', '--config', file, '--log-level', 'trace']
  }

  async function answer(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`, { redirect: 'manual', ...init })
    outputs.push(await response.clone().text())
    return response
  }
  let httpPort = 0

  it('of a server, an edge and the commands, at work and in trouble, nothing prints one', async () => {
    const ports = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0', '--log-level', 'trace']
    const server = start(['server', ...ports], { DATABASE_URL: url })
    const listening = await until(() => printed().match(/"mqttPort":(\d+),.*"httpPort":(\d+)/), Boolean)
    httpPort = Number(listening![2])

    const token = (await run(['tokens', 'add', 'prometheus'], { DATABASE_URL: url })).out.trim()
    assert.match(token, /^clft_/)
    // The command shows the token once, on purpose.
    outputs.splice(0, outputs.length, ...outputs.filter(text => text.trim() !== token))
    await run(['tokens', 'list', '--json'], { DATABASE_URL: url })
    assert.equal((await answer('/metrics', { headers: { authorization: `Bearer ${token}` } })).status, 200)
    const body = (token: string): RequestInit => ({ method: 'POST', body: JSON.stringify({ token }) })
    const session = (await answer('/sign-in', body(token))).headers.get('set-cookie')!.split(/[=;]/)[1]!
    assert.equal((await answer('/readyz', { headers: { cookie: `chargelift=${session}` } })).status, 200)
    await answer('/sign-in', body(wrongToken))
    await answer('/metrics', { headers: { authorization: `Bearer ${wrongToken}` } })
    await answer(`/metrics?token=${wrongToken}`)

    const broker = `mqtts://localhost:${listening![1]}`
    const edge = start(edgeConfig('good.yaml', broker, `"${devKey}"`))
    const forbidden = start(edgeConfig('forbidden.yaml', broker, `"${wrongDevKey}"`))
    const db = await harness.session(url)
    await until(
      () => db.query("SELECT FROM ev_readings JOIN chargers ON id = charger_id WHERE name = 'c1'"),
      ({ rowCount }) => rowCount! > 0
    )
    await until(() => printed().includes('forbidden'), Boolean)
    const failures = await Promise.all([
      run(edgeConfig('fault.yaml', broker, devKey, 'bogus: 1\n')),
      run(['server', ...ports], { DATABASE_URL: url.replace(/:[^:@]+@/, `:${wrongPassword}@`) }),
      run(['rejected', 'list'], { DATABASE_URL: url.replace(/:[^:@]+@/, `:${wrongPassword}@`) }),
      run(['tokens', 'add', 'x', '--database-url', `mysql://u:${wrongPassword}@h/d`])
    ])
    assert.deepEqual(
      failures.map(({ code }) => code),
      [78, 78, 78, 78]
    )
    for (const child of [edge, forbidden, server]) {
      child.kill('SIGTERM')
      await once(child, 'close')
    }
    const { rows } = await db.query('SELECT audit_events::text AS row FROM audit_events')
    outputs.push(...rows.map(({ row }) => row))

    const keyOf = (path: string): string => readFileSync(join(harness.certs, path), 'utf8').split('\n')[1]!
    const secrets = {
      token,
      'hash of the token': createHash('sha256').update(token).digest('hex'),
      'wrong token': wrongToken,
      session,
      'password of the database': new URL(url).password,
      'wrong password': wrongPassword,
      DevKey: devKey,
      'wrong DevKey': wrongDevKey,
      'key of the server': keyOf('server.key'),
      'key of the device': keyOf('devices/c1.key'),
      'any key': 'PRIVATE KEY'
    }
    const lines = printed().split('\n')
    for (const event of ['"event":"denied"', '"event":"connected"', 'chargelift_denied_total', 'http_wrong_token']) {
      assert.ok(
        lines.some(line => line.includes(event)),
        `nothing to search: no ${event}`
      )
    }
    for (const [what, secret] of Object.entries(secrets)) {
      assert.ok(secret.length >= 8)
      assert.deepEqual(
        lines.filter(line => line.includes(secret)),
        [],
        what
      )
    }
  })
})
