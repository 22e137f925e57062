// The program as its users start it: processes, signals, exit codes, the files it leaves.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { initAuthority } from '../src/pki/authority.ts'
import { issueDevice } from '../src/pki/devices.ts'
import { freePort } from '../src/server/ports.ts'
import { envelope, until } from './harness.ts'
import { WireClient } from './wire.ts'

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
const folders: string[] = []
const programs: Program[] = []

after(async () => {
  for (const program of programs) program.kill('SIGKILL')
  await Promise.all(programs.map(program => program.exit))
  for (const folder of folders) {
    stopPostgres(folder)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
})

/** A server that was killed leaves its PostgreSQL to the next one; here there is none. */
function stopPostgres(folder: string): void {
  const pidFile = join(folder, 'data/postgres/postmaster.pid')
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGQUIT')
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'chargelift-cli-'))
  folders.push(path)
  return path
}

class Program {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(cwd: string, args: readonly string[], env: Record<string, string> = {}) {
    const { DATABASE_URL: _url, REDIS_URL: _redis, ...inherited } = process.env
    this.child = spawn(process.execPath, [cli, ...args], { cwd, env: { ...inherited, ...env } })
    this.child.stdout!.on('data', chunk => (this.stdout += chunk))
    this.child.stderr!.on('data', chunk => (this.stderr += chunk))
    this.exit = once(this.child, 'close').then(([code]) => code)
    programs.push(this)
  }

  /** The log line with this message, once it is there. */
  async line(msg: string): Promise<Record<string, unknown>> {
    const find = (): Record<string, unknown> | undefined =>
      this.stdout
        .split('\n')
        .filter(line => line.startsWith('{') && line.endsWith('}'))
        .map(line => JSON.parse(line))
        .find(line => line.msg === msg)
    await until(() => find() ?? this.ended(), Boolean, 30_000)
    const line = find()
    assert.ok(line, `no line "${msg}" in:\n${this.stdout}\n${this.stderr}`)
    return line
  }

  ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.ended()) this.child.kill(signal)
  }
}

async function run(cwd: string, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = new Program(cwd, args)
  const code = await program.exit
  return { code, stdout: program.stdout, stderr: program.stderr }
}

const anyPorts = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0']

describe('command line', () => {
  it('tells its version, its commands and the flags of each', async () => {
    const cwd = folder()
    const [version, usage, server, certs, edge, demo] = await Promise.all([
      run(cwd, '--version'),
      run(cwd),
      run(cwd, 'server', '--help'),
      run(cwd, 'certs', '--help'),
      run(cwd, 'edge', '--help'),
      run(cwd, 'demo', '--help')
    ])
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
    for (const name of ['server', 'edge', 'certs', 'demo']) assert.match(usage.stdout, new RegExp(`^  ${name} `, 'm'))
    for (const flag of [
      'mqtt-host',
      'mqtt-port',
      'http-host',
      'http-port',
      'tls-ca',
      'tls-cert',
      'tls-key',
      'tls-crl',
      'database-url',
      'data-dir',
      'redis-url',
      'workers',
      'log-level'
    ]) {
      assert.match(server.stdout, new RegExp(`--${flag}\\b`))
    }
    for (const name of ['CHARGELIFT_MQTT_PORT', 'DATABASE_URL', 'REDIS_URL'])
      assert.match(server.stdout, new RegExp(`\\b${name}\\b`))
    assert.match(certs.stdout, /certs init/)
    assert.match(edge.stdout, /--config/)
    assert.match(demo.stdout, /npm start/)
    assert.deepEqual(
      [version, usage, server, certs, edge, demo].map(({ code }) => code),
      [0, 0, 0, 0, 0, 0]
    )
  })

  it('an unknown command or flag exits 78 and says what was expected', async () => {
    const cwd = folder()
    const [command, flag] = await Promise.all([run(cwd, 'fly'), run(cwd, 'server', '--mqtt-prot', '1')])
    assert.equal(command.code, 78)
    assert.match(command.stderr, /expected one of server, edge, certs, rejected, tokens, demo, found fly/)
    assert.equal(flag.code, 78)
    assert.match(flag.stderr, /--mqtt-prot/)
  })

  it('bad configuration exits 78 with all faults at once, without secrets', async () => {
    const { code, stderr } = await run(
      folder(),
      'server',
      '--mqtt-port',
      '99999',
      '--http-port',
      'x',
      '--http-host',
      '0.0.0.0',
      '--workers',
      '0',
      '--database-url',
      'mysql://u:secret@h/d'
    )
    assert.equal(code, 78)
    for (const flag of ['--mqtt-port', '--http-port', '--http-host', '--workers', '--database-url'])
      assert.match(stderr, new RegExp(`^${flag}: expected `, 'm'))
    assert.doesNotMatch(stderr, /secret/)
  })

  it('missing, mismatched and expired certificate files are named, exit 78', async () => {
    const cwd = folder()
    const missing = await run(cwd, 'server', ...anyPorts)
    assert.equal(missing.code, 78)
    for (const flag of ['--tls-ca', '--tls-cert', '--tls-key', '--tls-crl'])
      assert.match(missing.stderr, new RegExp(`^${flag}: .*certs/`, 'm'))
    await initAuthority({ dir: join(cwd, 'certs') })
    await issueDevice({ dir: join(cwd, 'certs'), name: 'other' })
    const other = await run(cwd, 'server', ...anyPorts, '--tls-key', 'certs/devices/other.key')
    assert.equal(other.code, 78)
    assert.match(other.stderr, /^--tls-key: expected the key of .*server\.pem, found the key of another certificate$/m)
    const past = Date.now() - 3 * 365 * 86_400_000
    await initAuthority({ dir: join(cwd, 'old'), nowMs: past })
    const old = [
      '--tls-ca',
      'old/ca.pem',
      '--tls-cert',
      'old/server.pem',
      '--tls-key',
      'old/server.key',
      '--tls-crl',
      'old/crl.pem'
    ]
    const expired = await run(cwd, 'server', ...anyPorts, ...old)
    assert.equal(expired.code, 78)
    assert.match(expired.stderr, /^--tls-cert: expected a certificate valid now, found one that expired on /m)
  })

  it('a taken port exits 78 and names its flag, before a database is made', async () => {
    const cwd = folder()
    await initAuthority({ dir: join(cwd, 'certs') })
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    const port = String((blocker.address() as AddressInfo).port)
    const mqtt = await run(cwd, 'server', '--mqtt-host', '127.0.0.1', '--http-port', '0', '--mqtt-port', port)
    const http = await run(cwd, 'server', '--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', port)
    const demo = await run(cwd, 'demo', '--mqtt-host', '127.0.0.1', '--mqtt-port', port, '--http-port', '0')
    blocker.close()
    assert.deepEqual([mqtt.code, http.code, demo.code], [78, 78, 78])
    assert.match(mqtt.stderr, new RegExp(`^--mqtt-port: .*port ${port} in use.*--mqtt-port`, 'm'))
    assert.match(http.stderr, new RegExp(`^--http-port: .*port ${port} in use.*--http-port`, 'm'))
    assert.match(demo.stderr, /^--mqtt-port: /m)
    assert.equal(existsSync(join(cwd, 'data/postgres')), false)
  })

  it('a database that is away is waited for, alive and not ready; SIGTERM ends the waiting', async () => {
    const cwd = folder()
    await initAuthority({ dir: join(cwd, 'certs') })
    const silent = createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const away = `postgres://u:secret@127.0.0.1:${(silent.address() as AddressInfo).port}/d`
    const httpPort = await freePort()
    const server = new Program(cwd, [
      'server',
      '--mqtt-host',
      '127.0.0.1',
      '--mqtt-port',
      '0',
      '--http-port',
      String(httpPort),
      '--database-url',
      away
    ])
    await server.line('waiting for the database')
    const health = await fetch(`http://127.0.0.1:${httpPort}/healthz`)
    const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`)
    assert.deepEqual([health.status, ready.status], [200, 503])
    assert.match(await ready.text(), /waiting for the database/)
    server.kill('SIGTERM')
    assert.equal(await server.exit, 0)
    silent.close()
    assert.doesNotMatch(server.stdout + server.stderr, /secret/)
  })
})

describe('data folder', () => {
  it('one that cannot be used exits 78 and says why, for server and demo', async () => {
    const cwd = folder()
    await initAuthority({ dir: join(cwd, 'certs') })
    writeFileSync(join(cwd, 'a-file'), '')
    for (const [command, path, why] of [
      ['server', 'a-file', /it is a file/],
      ['demo', 'a-file', /it is a file/],
      ['server', 'a-file/below', /it is a file/],
      ['server', '/proc/x', /\/proc\/x: /]
    ] as const) {
      const { code, stderr } = await run(cwd, command, ...anyPorts, '--data-dir', path)
      assert.equal(code, 78, `${command} ${path}`)
      assert.match(stderr, /^--data-dir: expected a folder that can be written to, found /m)
      assert.match(stderr, why)
    }
  })
})

describe('server process', () => {
  it('an embedded PostgreSQL that is killed is started again; a stale postmaster.pid harms nobody', async () => {
    const cwd = folder()
    const certs = join(cwd, 'certs')
    await initAuthority({ dir: certs })
    await issueDevice({ dir: certs, name: 'c1' })
    const pidFile = join(cwd, 'data/postgres/postmaster.pid')
    const server = new Program(cwd, ['server', ...anyPorts])
    const { mqttPort } = await server.line('listening')
    const client = new WireClient({ certs, name: 'c1', port: mqttPort as number, clientId: 'c1' })
    assert.equal(await client.connect(), 0)
    await client.acked(client.publish('chargers/c1/PowerOutput', envelope(1)))
    const pidLines = readFileSync(pidFile, 'utf8').split('\n')
    process.kill(Number(pidLines[0]), 'SIGKILL')
    await client.acked(client.publish('chargers/c1/PowerOutput', envelope(2)))
    await server.line('the embedded database ended, starting it again')
    server.kill('SIGTERM')
    assert.equal(await server.exit, 0)
    assert.equal(existsSync(pidFile), false)

    // After a power cut the file names a process that is anybody's now: here, this one.
    writeFileSync(pidFile, [process.pid, ...pidLines.slice(1)].join('\n'))
    const again = new Program(cwd, ['server', ...anyPorts])
    await again.line('listening')
    again.kill('SIGTERM')
    assert.equal(await again.exit, 0)
  })

  it('a server killed with kill -9 leaves nothing acknowledged behind; the next one goes on with its database', async () => {
    const cwd = folder()
    const certs = join(cwd, 'certs')
    await initAuthority({ dir: certs })
    await issueDevice({ dir: certs, name: 'c1' })
    const first = new Program(cwd, ['server', ...anyPorts], { CHARGELIFT_WORKERS: '1' })
    const listening = await first.line('listening')
    assert.equal(typeof listening.httpPort, 'number')
    const client = new WireClient({ certs, name: 'c1', port: listening.mqttPort as number, clientId: 'c1' })
    assert.equal(await client.connect(), 0)
    for (let value = 0; value < 500; value++) client.publish('chargers/c1/PowerOutput', envelope(value))
    await client.wait(() => client.acks().length > 0)
    first.kill('SIGKILL')
    await client.wait(() => client.closed)
    const acknowledged = client.acks().length
    await first.exit

    const second = new Program(cwd, ['server', ...anyPorts])
    const again = await second.line('listening')
    const inUse = await run(cwd, 'server', ...anyPorts)
    assert.equal(inUse.code, 78)
    assert.match(inUse.stderr, /^--data-dir: .*in use by process/m)

    const db = new pg.Client({ connectionString: readFileSync(join(cwd, 'data/database.url'), 'utf8').trim() })
    await db.connect()
    const { rows } = await db.query(
      'SELECT count(*)::integer AS count, count(DISTINCT power_output)::integer AS values FROM ev_readings'
    )
    await db.end()
    assert.ok(rows[0].count >= acknowledged, `${acknowledged} acknowledged, ${rows[0].count} stored`)
    assert.equal(rows[0].count, rows[0].values)

    const late = new WireClient({ certs, name: 'c1', port: again.mqttPort as number, clientId: 'c1' })
    assert.equal(await late.connect(), 0)
    await late.acked(late.publish('chargers/c1/PowerOutput', envelope(1_000)))
    second.kill('SIGTERM')
    assert.equal(await second.exit, 0)
    assert.equal((await second.line('stopped')).clean, true)
    assert.equal(existsSync(join(cwd, 'data/postgres/postmaster.pid')), false)
  })
})

describe('demo process', () => {
  it('shows rows that move, stops on Ctrl-C, and goes on with the same data', async () => {
    const cwd = folder()
    const start = async (): Promise<string[]> => {
      const demo = new Program(cwd, ['demo', ...anyPorts])
      const lines = await until(
        () => rowLines(demo.stdout),
        rows => rows.length >= 5 || demo.ended(),
        30_000
      )
      assert.match(demo.stdout, /engine {4}plain PostgreSQL partitions|engine {4}TimescaleDB hypertable/)
      demo.kill('SIGINT')
      assert.equal(await demo.exit, 0, demo.stderr)
      assert.match(demo.stdout, /stopped\n$/)
      return lines
    }
    const before = await start()
    assert.ok(new Set(before.map(line => /([\d.]+) kW /.exec(line)![1])).size > 2, before.join('\n'))
    await start()
    const certificates = join(cwd, 'certs')
    assert.ok(existsSync(join(certificates, 'devices/demo-charger.pem')))
    const server = new Program(cwd, ['server', ...anyPorts])
    await server.line('listening')
    const db = new pg.Client({ connectionString: readFileSync(join(cwd, 'data/database.url'), 'utf8').trim() })
    await db.connect()
    const { rows } = await db.query<{ total: number }>(
      'SELECT total_energy_consumption AS total FROM ev_readings WHERE total_energy_consumption IS NOT NULL ORDER BY time'
    )
    await db.end()
    server.kill('SIGTERM')
    await server.exit
    const totals = rows.map(({ total }) => total)
    assert.ok(totals.length >= 4)
    assert.deepEqual(
      totals,
      [...totals].sort((a, b) => a - b),
      'lifetime energy never falls, over restarts too'
    )
  })
})

const rowLines = (stdout: string): string[] =>
  stdout.split('\n').filter(line => /^\d\d:\d\d:\d\d {2}demo-charger .* kW /.test(line))
