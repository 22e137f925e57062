// Tests the program as its users start it: processes, signals, exit codes, and the files that it leaves.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { initAuthority } from '../src/pki/authority/authority.ts'
import { issueDevice } from '../src/pki/authority/devices.ts'
import { freePort } from '../src/server/ports.ts'
import { until } from './harness.ts'
import { anyPorts, folder, Program, run } from './programs.ts'

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

  it('demo charger is the simulated charger alone, at the port that was asked for', async () => {
    const cwd = folder()
    const { code, stderr } = await run(cwd, 'demo', 'charger', '--port', 'x', '--speed', '0')
    assert.equal(code, 78)
    assert.match(stderr, /^--port: expected a number.*\n--speed: expected a number/m)
    const charger = new Program(cwd, ['demo', 'charger', '--port', '0', '--key', '4711'])
    await until(() => charger.stdout.includes('\n'), Boolean)
    const [, url] = /at (http:\S+), devKey "4711"/.exec(charger.stdout) ?? []
    const answer = await fetch(`${url}/MHCP/1.0/ChargeData?DevKey=4711`)
    assert.equal(answer.status, 200)
    await answer.body?.cancel()
    charger.kill('SIGTERM')
    assert.equal(await charger.exit, 0)
  })

  it('an unknown command or flag exits 78 and says what was expected', async () => {
    const cwd = folder()
    const [command, flag] = await Promise.all([run(cwd, 'fly'), run(cwd, 'server', '--mqtt-prot', '1')])
    assert.equal(command.code, 78)
    assert.match(command.stderr, /^Unknown command fly\. Expected server, edge, .* or demo\.\n$/)
    assert.equal(flag.code, 78)
    assert.equal(flag.stderr, 'Unknown flag --mqtt-prot. Did you mean --mqtt-port?\n')
  })

  it('the help of a subcommand is its own, exit 0; a mistyped one exits 78', async () => {
    const cwd = folder()
    const [help, typo, file] = await Promise.all([
      run(cwd, 'certs', 'renew', '--help'),
      run(cwd, 'certs', 'renwe', '--help'),
      run(cwd, 'import', 'sites', 'none.csv')
    ])
    assert.equal(help.code, 0)
    assert.match(help.stdout, /^Usage: chargelift certs renew NAME/)
    assert.deepEqual([typo.code, typo.stderr], [78, 'Unknown command certs renwe. Did you mean certs renew?\n'])
    assert.deepEqual([file.code, file.stderr], [78, 'none.csv: no such file\n'])
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
    for (const [flag, file] of [
      ['--tls-ca', 'ca.pem'],
      ['--tls-cert', 'server.pem'],
      ['--tls-key', 'server.key'],
      ['--tls-crl', 'crl.pem']
    ] as const) {
      assert.match(missing.stderr, new RegExp(`^certs/${file}: no such file \\(${flag}\\)`, 'm'))
    }
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
