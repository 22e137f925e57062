// Tests the way from a PUBLISH on the wire to a committed row and its acknowledgement, with real parts.

import assert from 'node:assert/strict'
import { afterEach, before, describe, it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type pg from 'pg'
import { valueSpecs } from '../src/model/wire/chargerState.ts'
import type { RunningServer } from '../src/server/server.ts'
import { envelope, freshTime, Harness, until } from './harness.ts'
import { WireClient } from './wire.ts'

const harness = Harness.use()

describe('pipeline', () => {
  let url: string
  let server: RunningServer
  let db: pg.Client
  /** A second connection, because pg_stat_activity does not change within a transaction. */
  let watcher: pg.Client

  before(async () => {
    url = await harness.database()
    server = await harness.server(url)
    db = await harness.session(url)
    watcher = await harness.session(url)
    for (const name of ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9']) await harness.device(name)
    await harness.device('dash', 'consumer')
    await harness.device('boss', 'operator')
    await harness.device('limited', 'consumer', ['c1'])
    await harness.device('site', 'edge', ['site-a', 'site-b'])
  })

  const rowsOf = async (charger: string): Promise<Record<string, unknown>[]> =>
    (
      await db.query(
        'SELECT r.* FROM ev_readings r JOIN chargers c ON c.id = charger_id WHERE c.name = $1 ORDER BY time',
        [charger]
      )
    ).rows
  const rejectedOf = async (identity: string): Promise<Record<string, unknown>[]> =>
    (
      await db.query('SELECT * FROM rejected_messages WHERE identity = $1 ORDER BY received_at, message_index', [
        identity
      ])
    ).rows
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    return text
      .split('\n')
      .filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  /** Locks the table against all writes until `unlock` is called or the test has failed. */
  const lockReadings = async (): Promise<() => Promise<unknown>> => {
    await db.query('BEGIN; LOCK TABLE ev_readings IN ACCESS EXCLUSIVE MODE')
    return () => db.query('COMMIT')
  }
  afterEach(() => db.query('ROLLBACK'))

  it('stores every value name in its column, values of one SamplingTime in one row', async () => {
    const client = await harness.client(server, 'c1')
    const time = freshTime()
    const values = {
      OperationState: 'charging',
      TotalEnergyConsumption: 123456.5,
      SessionEnergy: 2183,
      PowerOutput: 10717,
      OutputCurrent: 15.6,
      MaximumOutputCurrent: 16,
      ConnectedVehicle: '04A2',
      ChargerStatus: 'Charging'
    }
    const ids = client.publishAll(
      Object.entries(values).map(([name, value]) => [`chargers/c1/${name}`, envelope(value, time)])
    )
    await client.acked(...ids)
    const rows = await rowsOf('c1')
    assert.equal(rows.length, 1)
    assert.deepEqual(
      { ...rows[0], charger_id: undefined, time: (rows[0]!.time as Date).toISOString() },
      {
        charger_id: undefined,
        time,
        operation_state: 'charging',
        total_energy_consumption: 123456.5,
        session_energy: 2183,
        power_output: 10717,
        output_current: 15.6,
        maximum_output_current: 16,
        connected_vehicle: '04A2',
        charger_status: 'Charging'
      }
    )
    assert.deepEqual(client.acks(), ids, 'acknowledged in publish order')
  })

  it('no PUBACK before COMMIT: none while the table is locked, all after', async () => {
    const client = await harness.client(server, 'c2')
    const first = client.publish('chargers/c2/PowerOutput', envelope(1))
    await client.acked(first)
    const unlock = await lockReadings()
    const locked = [2, 3, 4].map(value => client.publish('chargers/c2/PowerOutput', envelope(value)))
    const resent = client.publish('chargers/c2/PowerOutput', envelope(5), { qos: 2, messageId: 900 })
    client.publish('chargers/c2/PowerOutput', envelope(5), { qos: 2, messageId: 900, dup: true })
    await waitForLockedBackend(watcher)
    await client.ping()
    assert.deepEqual(client.acks(), [first])
    assert.deepEqual(client.acks('pubrec'), [], 'a QoS 2 resend gets no PUBREC either')
    await unlock()
    await client.acked(...locked)
    await client.packet(packet => packet.cmd === 'pubrec' && packet.messageId === resent)
    assert.equal((await rowsOf('c2')).length, 5)
  })

  it('a row is visible to another session when its PUBACK arrives', async () => {
    const client = await harness.client(server, 'c3')
    for (let value = 0; value < 20; value++) {
      await client.acked(client.publish('chargers/c3/PowerOutput', envelope(value)))
      assert.equal((await rowsOf('c3')).at(-1)!.power_output, value)
    }
  })

  it('QoS 2: PUBREC after the commit, again on a resend, PUBCOMP on PUBREL, one row', async () => {
    const client = await harness.client(server, 'c4')
    const payload = envelope(7)
    client.publish('chargers/c4/PowerOutput', payload, { qos: 2, messageId: 5 })
    await client.wait(() => client.acks('pubrec').length === 1)
    client.publish('chargers/c4/PowerOutput', payload, { qos: 2, messageId: 5, dup: true })
    await client.wait(() => client.acks('pubrec').length === 2)
    client.send({ cmd: 'pubrel', messageId: 5, qos: 1 } as never)
    await client.wait(() => client.acks('pubcomp').length === 1)
    assert.deepEqual(client.acks('pubcomp'), [5])
    assert.equal((await rowsOf('c4')).length, 1)
  })

  it('bad envelopes are acknowledged and stored with their reason; their neighbours are committed', async () => {
    const client = await harness.client(server, 'c5')
    const tooOld = '2019-01-01T00:00:00.000Z'
    const tooNew = new Date(Date.now() + 3_600_000).toISOString()
    const bad: [string, string, string][] = [
      ['PowerOutput', 'not json', 'not_json'],
      ['PowerOutput', '', 'empty_payload'],
      ['PowerOutput', '[1]', 'not_an_object'],
      ['PowerOutput', envelope('12'), 'wrong_type'],
      ['PowerOutput', envelope(null), 'wrong_type'],
      ['OperationState', envelope('flying'), 'unknown_state'],
      ['ConnectedVehicle', envelope('x'.repeat(33)), 'bad_text'],
      ['Colour', envelope(1), 'unknown_value_name'],
      ['PowerOutput', envelope(1, tooOld), 'time_out_of_window'],
      ['PowerOutput', envelope(1, tooNew), 'time_out_of_window'],
      ['PowerOutput', envelope(1, '2026-11-22 10:00:00'), 'bad_time']
    ]
    const messages = bad.flatMap(([name, payload], i) => [
      [`chargers/c5/${name}`, payload] as const,
      ['chargers/c5/SessionEnergy', envelope(i)] as const
    ])
    const ids = client.publishAll(messages)
    await client.acked(...ids)
    assert.deepEqual(client.acks(), ids)
    const rejected = await rejectedOf('c5')
    assert.deepEqual(
      rejected.map(({ topic, payload, code }) => [topic, String(payload), code]),
      bad.map(([name, payload, code]) => [`chargers/c5/${name}`, payload, code])
    )
    assert.ok(rejected.every(({ reason }) => String(reason).startsWith('expected ')))
    assert.deepEqual(
      (await rowsOf('c5')).map(row => row.session_energy),
      bad.map((_, i) => i)
    )
  })

  it("another device's topic closes the connection and stores nothing", async () => {
    const client = await harness.client(server, 'c6')
    const own = client.publish('chargers/c6/PowerOutput', envelope(1))
    client.publish('chargers/c60/PowerOutput', envelope(2))
    await client.wait(() => client.closed)
    assert.deepEqual(client.acks(), [own])
    assert.equal((await rowsOf('c60')).length, 0)
    assert.deepEqual(await rejectedOf('c6'), [])
  })

  it('nothing is taken from a connection after its fault, and the fault is told once', async () => {
    const denied = await metric('chargelift_denied_total')
    const client = await harness.client(server, 'c6', { clientId: 'c6:flood' })
    const received = await metric('chargelift_messages_received_total')
    client.socket.cork()
    client.publish('chargers/c6/SessionEnergy', envelope(1))
    client.publish('chargers/c1/SessionEnergy', envelope(2), { qos: 0 })
    for (let i = 0; i < 2_000; i++) client.publish('chargers/c6/SessionEnergy', envelope(3))
    for (let i = 0; i < 20; i++) client.socket.write(Buffer.alloc(10_000, 0xff))
    client.socket.uncork()
    await client.wait(() => client.closed)
    // Messages that came in the same read as the fault may still be accepted, because the client may publish them.
    assert.ok((await metric('chargelift_messages_received_total')) - received < 1_000)
    assert.equal(await metric('chargelift_denied_total'), denied + 1)
  })

  it('an edge for several chargers writes these, and not its own name', async () => {
    const client = await harness.client(server, 'site')
    const ids = client.publishAll([
      ['chargers/site-a/PowerOutput', envelope(1)],
      ['chargers/site-b/PowerOutput', envelope(2)]
    ])
    await client.acked(...ids)
    assert.equal((await rowsOf('site-b'))[0]!.power_output, 2)
    client.publish('chargers/site/PowerOutput', envelope(3))
    await client.wait(() => client.closed)
    assert.equal((await rowsOf('site')).length, 0)
  })

  it('the same messages again change nothing; a different value for the same time is a conflict', async () => {
    const client = await harness.client(server, 'c7')
    const times = [freshTime(), freshTime(), freshTime()]
    const send = (dup: boolean): number[] =>
      times.flatMap(time => [
        client.publish('chargers/c7/PowerOutput', envelope(10, time), { dup }),
        client.publish('chargers/c7/ChargerStatus', envelope('Charging', time), { dup })
      ])
    await client.acked(...send(false))
    await client.acked(...send(false))
    await client.acked(...send(true))
    const late = client.publish('chargers/c7/SessionEnergy', envelope(5, times[0]))
    const conflict = client.publish('chargers/c7/PowerOutput', envelope(11, times[0]))
    await client.acked(late, conflict)
    const rows = await rowsOf('c7')
    assert.deepEqual(
      rows.map(row => [row.power_output, row.session_energy, row.charger_status]),
      [
        [10, 5, 'Charging'],
        [10, null, 'Charging'],
        [10, null, 'Charging']
      ]
    )
    assert.deepEqual(
      (await rejectedOf('c7')).map(({ code }) => code),
      ['conflict']
    )
  })

  it('a row that only the database refuses is rejected alone', async () => {
    await db.query('ALTER TABLE ev_readings ADD CONSTRAINT plausible CHECK (power_output < 1000000)')
    const client = await harness.client(server, 'c8')
    const ids = client.publishAll(
      Array.from({ length: 20 }, (_, i) => ['chargers/c8/PowerOutput', envelope(i === 13 ? 2e6 : i)] as const)
    )
    await client.acked(...ids)
    await db.query('ALTER TABLE ev_readings DROP CONSTRAINT plausible')
    assert.equal((await rowsOf('c8')).length, 19)
    const [rejected, ...others] = await rejectedOf('c8')
    assert.deepEqual([rejected!.code, others.length], ['database_error', 0])
    assert.match(String(rejected!.reason), /^SQLSTATE 23514: /)
  })

  it('many messages in one write are stored, and acknowledged in publish order', async () => {
    const client = await harness.client(server, 'c9', { clientId: 'c9:many' })
    const ids = client.publishAll(
      Array.from({ length: 200 }, (_, i) => ['chargers/c9/PowerOutput', envelope(i % 40)] as const)
    )
    await client.acked(...ids)
    assert.deepEqual(client.acks(), ids)
    assert.equal((await rowsOf('c9')).length, 200)
  })

  it('killed database connections cost nothing, no thread and no process: the batch is kept and stored', async () => {
    const client = await harness.client(server, 'c9')
    const stored = (await rowsOf('c9')).length
    const ids: number[] = []
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 40; i++) ids.push(client.publish('chargers/c9/PowerOutput', envelope(i)))
      await db.query(killAll)
    }
    await client.acked(...ids)
    assert.deepEqual(client.acks(), ids)
    assert.equal((await rowsOf('c9')).length, stored + 200)
    const events = new Set(harness.warnings.map(({ event }) => event))
    assert.deepEqual([events.has('database_connection_lost'), events.has('worker_died')], [true, false])
    await until(
      async () => (await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)).status,
      status => status === 200
    )
  })

  it('a connection that is killed in the middle of a COPY loses nothing and acknowledges nothing', async () => {
    const client = await harness.client(server, 'c9', { clientId: 'c9:copy' })
    const stored = (await rowsOf('c9')).length
    const unlock = await lockReadings()
    const ids = Array.from({ length: 50 }, (_, i) => client.publish('chargers/c9/SessionEnergy', envelope(i)))
    await waitForLockedBackend(watcher)
    const { rows: killed } = await watcher.query(
      `${ingestBackends('pid, pg_terminate_backend(pid)')} AND wait_event_type = 'Lock'`
    )
    await waitForLockedBackend(
      watcher,
      killed.map(({ pid }) => pid)
    ) // waits for the same Batch on a new connection
    const readiness = await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)
    assert.equal(readiness.status, 503)
    assert.match(await readiness.text(), /batches are kept and retried/)
    assert.deepEqual(client.acks(), [])
    await unlock()
    await client.acked(...ids)
    assert.equal((await rowsOf('c9')).length, stored + 50)
    assert.equal((await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)).status, 200)
  })

  it('a database that lets us in and then fails costs no connection each time', async () => {
    const client = await harness.client(server, 'c9', { clientId: 'c9:setup' })
    const stored = (await rowsOf('c9')).length
    const connections = async (): Promise<number> =>
      (await watcher.query(`${ingestBackends('count(*)::integer AS count')}`)).rows[0].count
    await watcher.query('ALTER TABLE ev_readings RENAME TO ev_readings_away')
    await watcher.query(killIngest)
    const ids = Array.from({ length: 20 }, (_, i) => client.publish('chargers/c9/SessionEnergy', envelope(i)))
    let most = 0
    const observeUntilMs = Date.now() + 1_500
    await until(
      async () => {
        most = Math.max(most, await connections())
        return Date.now()
      },
      nowMs => nowMs > observeUntilMs
    )
    assert.ok(most <= server.workers, `${most} connections of ${server.workers} workers`)
    assert.deepEqual(client.acks(), [])
    await watcher.query('ALTER TABLE ev_readings_away RENAME TO ev_readings')
    await client.acked(...ids)
    assert.equal((await rowsOf('c9')).length, stored + 20)
  })

  it('every admitted message is accounted for', async () => {
    const [received, committed, rejected, dropped, inFlight] = await Promise.all(
      ['received_total', 'committed_total', 'rejected_total', 'dropped_total', 'in_flight'].map(name =>
        metric(`chargelift_messages_${name}`)
      )
    )
    assert.ok(received! > 250)
    assert.deepEqual(
      { rest: received! - committed! - rejected!, dropped, inFlight },
      { rest: 0, dropped: 0, inFlight: 0 }
    )
  })

  it('EdgeStatus is stored as the newest of its charger, served retained, and is no reading', async () => {
    const client = await harness.client(server, 'c6')
    const rowsBefore = (await rowsOf('c6')).length
    const status = (time: string, version: string): string =>
      JSON.stringify({ SamplingTime: time, version, clock: 'ok' })
    const [first, second] = [freshTime(), freshTime()]
    const bad = client.publish('chargers/c6/EdgeStatus', '{"version":"1"}')
    const newer = client.publish('chargers/c6/EdgeStatus', status(second, '2'))
    const older = client.publish('chargers/c6/EdgeStatus', status(first, '1'))
    await client.acked(bad, newer, older)
    const { rows } = await db.query(
      "SELECT time, status FROM edge_status JOIN chargers ON chargers.id = charger_id WHERE name = 'c6'"
    )
    assert.deepEqual(rows, [{ time: new Date(second), status: { SamplingTime: second, version: '2', clock: 'ok' } }])
    assert.equal((await rowsOf('c6')).length, rowsBefore)
    assert.deepEqual(
      (await rejectedOf('c6')).map(({ code }) => code),
      ['bad_time']
    )
    const dash = await harness.client(server, 'dash', { clientId: 'dash:status' })
    await dash.subscribe('chargers/c6/EdgeStatus')
    const [[, payload] = []] = await until(
      () => dash.delivered(),
      messages => messages.length > 0
    )
    assert.deepEqual(JSON.parse(payload!), { SamplingTime: second, version: '2', clock: 'ok' })
  })

  it("a client's own Connection is acknowledged and ignored, its wills are ruled on like publishes", async () => {
    const client = await harness.client(server, 'c6')
    await client.acked(client.publish('chargers/c6/Connection', envelope('online')))
    client.publish('chargers/c6/Connection', envelope('online'), { qos: 2, messageId: 77 })
    await client.wait(() => client.acks('pubrec').includes(77))
    assert.equal(
      (await rejectedOf('c6')).some(({ topic }) => topic === 'chargers/c6/Connection'),
      false
    )
    const dash = await harness.client(server, 'dash', { clientId: 'dash:wills' })
    await dash.subscribe('chargers/#')
    for (const [topic, code] of [
      ['chargers/c6/Connection', 0],
      ['chargers/c6/PowerOutput', 0],
      ['chargers/c5/PowerOutput', undefined],
      ['somewhere', undefined]
    ] as const) {
      const dying = await harness.client(server, 'c6', {
        clientId: 'c6:dying',
        will: { topic, payload: envelope(4_242) }
      })
      assert.equal(dying.received[0]?.cmd === 'connack' ? dying.received[0].returnCode : undefined, code, topic)
      dying.destroy()
      await until(
        () => dying.closed,
        closed => closed
      )
    }
    await dash.ping()
    assert.equal(
      dash.delivered().some(([, payload]) => payload.includes('4242')),
      false
    )
    assert.equal(
      (await rowsOf('c5')).some(row => row.power_output === 4_242),
      false
    )
  })

  describe('readers', () => {
    /** All messages except presence, which has separate tests. */
    const readings = (client: WireClient): [topic: string, payload: string][] =>
      client.delivered().filter(([topic]) => !topic.endsWith('/Connection'))
    const latest = (client: WireClient): Record<string, unknown> =>
      Object.fromEntries(readings(client).map(([topic, payload]) => [topic, JSON.parse(payload).Value]))

    /**
     * Waits until the client has exactly the newest value of every topic in the database. The values arrive in several
     * writes.
     */
    const readAll = async (client: WireClient): Promise<void> => {
      const stored: Record<string, unknown> = { 'chargers/c6/EdgeStatus': undefined }
      for (const { name, column } of valueSpecs) {
        const { rows } = await db.query(`SELECT DISTINCT ON (name) name, ${column} AS value
          FROM ev_readings JOIN chargers c ON c.id = charger_id WHERE ${column} IS NOT NULL ORDER BY name, time DESC`)
        for (const { name: charger, value } of rows) stored[`chargers/${charger}/${name}`] = value
      }
      assert.equal(stored['chargers/c9/PowerOutput'], 39)
      await until(
        () => latest(client),
        values => isDeepStrictEqual(values, stored)
      )
    }

    it('a consumer gets the newest values at once, and then what is news, never what is older', async () => {
      const edge = await harness.client(server, 'c1')
      const old = freshTime()
      const now = freshTime()
      await edge.acked(edge.publish('chargers/c1/PowerOutput', envelope(500, now)))
      const dash = await harness.client(server, 'dash')
      assert.deepEqual(await dash.subscribe('chargers/#'), [1])
      await readAll(dash)
      assert.equal(latest(dash)['chargers/c1/PowerOutput'], 500)
      const retained = readings(dash).length
      await edge.acked(
        edge.publish('chargers/c1/PowerOutput', envelope(499, old)),
        edge.publish('chargers/c1/PowerOutput', 'not json')
      )
      await edge.acked(edge.publish('chargers/c1/PowerOutput', envelope(501)))
      await until(
        () => readings(dash).length,
        count => count > retained
      )
      await dash.ping()
      assert.deepEqual(
        readings(dash)
          .slice(retained)
          .map(([topic, payload]) => [topic, JSON.parse(payload).Value]),
        [['chargers/c1/PowerOutput', 501]]
      )
    })

    it('an edge reads its own charger, a limited consumer its list, nobody more', async () => {
      const edge = await harness.client(server, 'c1')
      assert.deepEqual(
        await edge.subscribe('chargers/c1/#', 'chargers/c2/#', 'chargers/#', '#', '$SYS/#'),
        [1, 128, 128, 128, 128]
      )
      const limited = await harness.client(server, 'limited')
      assert.deepEqual(
        await limited.subscribe('chargers/c1/+', 'chargers/+/PowerOutput', '$share/x/chargers/#'),
        [1, 128, 128]
      )
      await until(
        () => readings(limited).length,
        count => count === 8
      )
      const boss = await harness.client(server, 'boss')
      assert.deepEqual(await boss.subscribe('#', '$SYS/#'), [1, 1])
    })

    it("an operator's command reaches the charger's edge and is not retained", async () => {
      const edge = await harness.client(server, 'c2')
      await edge.subscribe('chargers/c2/commands/#')
      const boss = await harness.client(server, 'boss')
      await boss.acked(boss.publish('chargers/c2/commands/pause', 'now'))
      await until(
        () => edge.delivered(),
        messages => messages.length === 1
      )
      const again = await harness.client(server, 'c2', { clientId: 'c2:late' })
      await again.subscribe('chargers/c2/commands/#')
      await again.ping()
      assert.deepEqual(again.delivered(), [])
    })

    it('a consumer may not publish, and an edge not to commands', async () => {
      for (const [name, topic] of [
        ['dash', 'chargers/c1/PowerOutput'],
        ['dash', 'chargers/c1/commands/x'],
        ['c1', 'chargers/c1/commands/x'],
        ['boss', 'chargers/c1/PowerOutput'],
        ['boss', '$SYS/x']
      ] as const) {
        const client = await harness.client(server, name)
        client.publish(topic, envelope(9_999))
        await client.wait(() => client.closed)
        assert.deepEqual(client.acks(), [], `${name} ${topic}`)
      }
    })

    it('a clean=false subscriber gets what was news while it was away, a clean one does not', async () => {
      const edge = await harness.client(server, 'c4')
      const options = (clean: boolean) => ({ clientId: `dash:${clean}`, clean })
      for (const clean of [true, false]) {
        const away = await harness.client(server, 'dash', options(clean))
        await away.subscribe('chargers/c4/SessionEnergy')
        away.destroy()
        await until(
          () => away.closed,
          closed => closed
        )
      }
      for (const value of [1, 2, 3]) await edge.acked(edge.publish('chargers/c4/SessionEnergy', envelope(value)))
      const kept = await harness.client(server, 'dash', options(false))
      await until(
        () => kept.delivered().length,
        count => count === 3
      )
      assert.deepEqual(
        kept.delivered().map(([, payload]) => JSON.parse(payload).Value),
        [1, 2, 3]
      )
      const forgotten = await harness.client(server, 'dash', options(true))
      await forgotten.ping()
      assert.deepEqual(forgotten.delivered(), [])
    })

    it('retained values outlive the server', async () => {
      const before = await harness.client(server, 'dash')
      await before.subscribe('chargers/#')
      await readAll(before)
      assert.equal(await server.stop(), true)
      server = await harness.server(url)
      const dash = await harness.client(server, 'dash')
      await dash.subscribe('chargers/#')
      await readAll(dash)
    })

    it('a server that was killed finds what it had not written behind, however old its samples are', async () => {
      await harness.device('away')
      const client = await harness.client(server, 'away')
      const atHoursAgo = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString()
      const publish = (name: string, value: unknown, hoursAgo: number): number =>
        client.publish(`chargers/away/${name}`, envelope(value, atHoursAgo(hoursAgo)))
      await client.acked(publish('PowerOutput', 1, 30), publish('ChargerStatus', 'known', 29))
      await until(
        async () => (await db.query('SELECT FROM latest_readings WHERE value = \'"known"\'')).rowCount,
        count => count === 1
      )
      await client.acked(
        publish('PowerOutput', 2, 28),
        publish('SessionEnergy', 3, 29.01),
        publish('PowerOutput', 9, 31)
      )
      assert.equal(await server.stop(), true)
      // A kill leaves the table like this: the newest values of one charger and all values of another were not written.
      const { rowCount } = await db.query(`
        DELETE FROM latest_readings USING chargers
        WHERE chargers.id = charger_id AND (chargers.name = 'c4' OR (chargers.name = 'away' AND value IN ('2', '3')))`)
      assert.ok(rowCount! > 2, `${rowCount}`)
      server = await harness.server(url)
      const dash = await harness.client(server, 'dash')
      await dash.subscribe('chargers/#')
      await readAll(dash)
    })
  })

  it('client ids are tied to the certificate', async () => {
    const codes = new Map<string, number | undefined>()
    for (const clientId of ['c1', 'c1:cli', 'c2', 'c1x', '']) {
      const client = new WireClient({ certs: harness.certs, name: 'c1', port: server.mqttPorts[0]!, clientId })
      codes.set(clientId, await client.connect())
      client.destroy()
    }
    assert.deepEqual(
      [...codes],
      [
        ['c1', 0],
        ['c1:cli', 0],
        ['c2', 2],
        ['c1x', 2],
        ['', 2]
      ]
    )
  })

  it('without a client certificate there is no MQTT', async () => {
    const client = new WireClient({ certs: harness.certs, name: undefined, port: server.mqttPorts[0]!, clientId: 'c1' })
    assert.equal(await client.connect(), undefined)
  })

  it('a revoked certificate gets no MQTT; others do', async () => {
    await harness.revoke('c9')
    const other = await harness.server(url)
    const codes: (number | undefined)[] = []
    for (const name of ['c9', 'c8']) {
      const client = new WireClient({ certs: harness.certs, name, port: other.mqttPorts[0]!, clientId: name })
      codes.push(await client.connect())
      client.destroy()
    }
    assert.deepEqual(codes, [undefined, 0])
    await other.stop()
  })

  it('stopping stores and acknowledges what was admitted', async () => {
    const client = await harness.client(server, 'c3')
    const stored = (await rowsOf('c3')).length
    const ids = client.publishAll(
      Array.from({ length: 300 }, (_, i) => ['chargers/c3/PowerOutput', envelope(i)] as const)
    )
    await client.wait(() => client.acks().length > 0)
    assert.equal(await server.stop(), true)
    await client.wait(() => client.closed)
    const acked = client.acks()
    assert.deepEqual(acked, ids.slice(0, acked.length))
    assert.equal((await rowsOf('c3')).length, stored + acked.length)
  })
})

const ingestBackends = (what: string): string => `SELECT ${what} FROM pg_stat_activity
  WHERE application_name = 'chargelift ingest' AND datname = current_database()`
const killIngest = ingestBackends('pg_terminate_backend(pid)')
const killAll = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name LIKE 'chargelift%' AND datname = current_database()`

/**
 * Waits until an ingest session waits for a lock. The sessions in `killed`, by process id, do not count: they may be
 * listed for a moment longer.
 */
async function waitForLockedBackend(db: pg.Client, killed: readonly number[] = []): Promise<void> {
  await until(
    async () =>
      (await db.query(`${ingestBackends('pid')} AND wait_event_type = 'Lock' AND pid <> ALL ($1)`, [killed])).rows
        .length,
    count => count > 0
  )
}
