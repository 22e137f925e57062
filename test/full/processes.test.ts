// Tests the server and the demo as processes with their own PostgreSQL: killed, stopped, started again.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import pg from 'pg'
import { initAuthority } from '../../src/pki/authority/authority.ts'
import { issueDevice } from '../../src/pki/authority/devices.ts'
import { envelope, until } from '../harness.ts'
import { anyPorts, folder, Program, run } from '../programs.ts'
import { WireClient } from '../wire.ts'

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

    // After a power cut the file names a process id that any process may have by now. Here it is the id of this
    // process.
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

  it('does not keep the TypeScript stripper of Node, neither at its first start, which compiles everything, nor later', async () => {
    const cwd = folder()
    await initAuthority({ dir: join(cwd, 'certs') })
    const [hook, told] = [join(cwd, 'hook.mjs'), join(cwd, 'loaded')]
    // At its end, the main thread writes the list of modules that Node itself has loaded.
    writeFileSync(
      hook,
      `import { writeFileSync } from 'node:fs'
       import { isMainThread } from 'node:worker_threads'
       if (isMainThread) process.on('exit', () => writeFileSync(${JSON.stringify(told)}, process.moduleLoadList.join('\\n')))`
    )
    const loadedBy = async (env: Record<string, string>, threads = /^/m): Promise<string[]> => {
      const server = new Program(cwd, ['server', ...anyPorts], { NODE_OPTIONS: `--import=${hook}`, ...env })
      const { httpPort } = await server.line('listening')
      await until(
        async () => (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text(),
        text => threads.test(text)
      )
      server.kill('SIGTERM')
      assert.equal(await server.exit, 0)
      return readFileSync(told, 'utf8')
        .split('\n')
        .filter(module => /amaro/.test(module))
    }
    const cache = { NODE_COMPILE_CACHE: join(cwd, 'cache') }
    const lastThreadWorks = /^chargelift_maintenance_last_success_timestamp_seconds [1-9]/m
    assert.deepEqual(await loadedBy(cache, lastThreadWorks), [], 'at the first start')
    assert.deepEqual(await loadedBy(cache, lastThreadWorks), [], 'at the next one')
    assert.equal((await loadedBy({ NODE_DISABLE_COMPILE_CACHE: '1' })).length, 1, 'that it can be seen')
  })
})

describe('demo process', () => {
  it('--fleet is checked before anything starts', async () => {
    for (const given of ['0', '501', 'many', '']) {
      const demo = await run(folder(), 'demo', ...anyPorts, '--fleet', given)
      assert.equal(demo.code, 78, given)
      assert.match(demo.stderr, /^--fleet: expected a number of chargers, 1 to 500, found /m)
    }
  })

  it('shows rows that move, stops on Ctrl-C, and goes on with the same data', async () => {
    const cwd = folder()
    const start = async (): Promise<string[]> => {
      const demo = new Program(cwd, ['demo', ...anyPorts])
      const lines = await until(
        () => rowLines(demo.stdout),
        rows => rows.length >= 5 || demo.ended()
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
    assert.ok(existsSync(join(certificates, 'devices/demo-edge.pem')))
    const server = new Program(cwd, ['server', ...anyPorts])
    await server.line('listening')
    const db = new pg.Client({ connectionString: readFileSync(join(cwd, 'data/database.url'), 'utf8').trim() })
    await db.connect()
    const { rows } = await db.query<{ total: number }>(
      `SELECT total_energy_consumption AS total FROM ev_readings JOIN chargers ON chargers.id = charger_id
       WHERE name = 'demo-charger' AND total_energy_consumption IS NOT NULL ORDER BY time`
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
