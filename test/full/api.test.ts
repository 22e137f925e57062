// Tests the HTTP API of a whole server. Committed data appears in the answers and in the events, but only for roles
// that may see it.

import assert from 'node:assert/strict'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { createParser } from 'eventsource-parser'
import pg from 'pg'
import type {
  ChargerAnswer,
  ChargersAnswer,
  MessagesAnswer,
  ReadingsAnswer,
  SitesAnswer
} from '../../src/model/api/api.ts'
import { type AccessRole, revokeToken } from '../../src/server/access/tokens.ts'
import { envelope, Harness, until } from '../harness.ts'
import { type Fleet, openFleet } from './apiRig.ts'

const harness = Harness.use()
const fleet = (): Promise<Fleet> => openFleet(harness)

async function publish({ server }: Fleet, charger: string, values: Record<string, number | string>, time: string) {
  await harness.device(charger).catch(() => {}) // the charger may have a certificate already
  const client = await harness.client(server, charger)
  const ids = client.publishAll(
    Object.entries(values).map(([name, value]) => [`chargers/${charger}/${name}`, envelope(value, time)] as const)
  )
  await client.acked(...ids)
  return client
}

interface Event {
  readonly id?: string
  readonly event?: string
  readonly data?: unknown
}

/** Opens an event stream. Returns the events so far and whether the stream has ended. */
async function listen(f: Fleet, query = '', role: AccessRole = 'operator', headers: Record<string, string> = {}) {
  const abort = new AbortController()
  const response = await fetch(`http://127.0.0.1:${f.server.httpPort}/api/v1/events${query}`, {
    headers: { authorization: `Bearer ${f.token(role)}`, ...headers },
    signal: abort.signal
  })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  const events: Event[] = []
  const state = { ended: false }
  const read = async (): Promise<void> => {
    const parser = createParser({
      onId: id => events.push({ id }),
      onEvent: ({ id, event, data }) => events.splice(-1, 1, { id: id!, event: event!, data: JSON.parse(data) })
    })
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) parser.feed(chunk)
  }
  const done = read()
    .catch(() => {})
    .finally(() => {
      state.ended = true
    })
  const of = (event: string): unknown[] =>
    events.filter(found => found.event === event).flatMap(found => found.data as unknown[])
  return { events, of, state, done, close: () => abort.abort() }
}

const time = '2026-11-01T10:00:00.000Z'

test('a committed value is in the fleet, at the charger, among its messages and in the events', async () => {
  const f = await fleet()
  const live = await listen(f)
  const client = await publish(f, 'c1', { PowerOutput: 7200, OperationState: 'charging' }, time)
  const readings = await until(
    () => live.of('reading') as { charger: string; name: string; time: string; value: unknown }[],
    found => found.length === 2
  )
  assert.deepEqual(
    new Set(readings.map(({ charger, name, time, value }) => `${charger} ${name} ${time} ${value}`)),
    new Set([`c1 PowerOutput ${time} 7200`, `c1 OperationState ${time} charging`])
  )
  await until(
    () => live.of('connection').length,
    found => found > 0
  )

  const { chargers } = await f.get<ChargersAnswer>('/api/v1/chargers')
  assert.equal(chargers.length, 1)
  const [c1] = chargers as [ChargersAnswer['chargers'][number]]
  assert.deepEqual(c1.values.PowerOutput, { time, value: 7200 })
  assert.deepEqual([c1.name, c1.connection, c1.lastSampleTime], ['c1', 'online', time])

  const status = { SamplingTime: time, Version: '1.2.3', UnsentSamples: 0 }
  await client.acked(client.publish('chargers/c1/EdgeStatus', JSON.stringify(status)))
  await until(
    () => live.of('status'),
    found => found.length === 1
  )
  const one = await f.get<ChargerAnswer>('/api/v1/chargers/c1')
  assert.deepEqual(one.edgeStatus, status)
  assert.equal(one.timeZone, 'UTC')

  const { messages } = await f.get<MessagesAnswer>('/api/v1/chargers/c1/messages')
  assert.deepEqual(messages, [{ time, values: { OperationState: 'charging', PowerOutput: 7200 } }])
  live.close()
  await f.server.stop()
})

test('a card id is masked for a viewer in every answer and event, and he cannot search by it', async () => {
  const f = await fleet()
  const viewer = await listen(f, '', 'viewer')
  const billing = await listen(f, '', 'billing')
  await publish(f, 'c1', { ConnectedVehicle: 'SECRET-1' }, time)
  await until(
    () => [viewer.of('reading').length, billing.of('reading').length],
    ([a, b]) => a === 1 && b === 1
  )
  assert.match(JSON.stringify(billing.events), /SECRET-1/)
  assert.doesNotMatch(JSON.stringify(viewer.events), /SECRET-1/)
  for (const path of ['/api/v1/chargers', '/api/v1/chargers/c1', '/api/v1/chargers/c1/messages']) {
    assert.match(await (await f.ask(path, 'billing')).text(), /SECRET-1/, path)
    const text = await (await f.ask(path, 'viewer')).text()
    assert.match(text, /"\*\*\*"/, path)
    assert.doesNotMatch(text, /SECRET-1/, path)
  }
  const found = async (role: AccessRole) => (await f.get<ChargersAnswer>('/api/v1/chargers?q=secret', role)).chargers
  assert.equal((await found('billing')).length, 1)
  assert.equal((await found('viewer')).length, 0)
  viewer.close()
  billing.close()
  await f.server.stop()
})

test('a stream ends when its token is revoked, and a reconnect goes on where it was', async () => {
  const f = await fleet()
  const first = await listen(f, '', 'viewer')
  await publish(f, 'c1', { PowerOutput: 1 }, time)
  await until(
    () => first.of('reading').length,
    found => found === 1
  )
  const id = first.events.at(-1)!.id!
  await publish(f, 'c1', { PowerOutput: 2 }, '2026-11-01T10:00:10.000Z')
  await until(
    () => first.of('reading').length,
    found => found === 2
  )
  const pool = new pg.Pool({ connectionString: f.databaseUrl })
  await revokeToken(pool, 'viewer')
  await pool.end()
  await first.done
  assert.equal(first.state.ended, true)
  const again = await listen(f, '', 'billing', { 'last-event-id': id })
  const [reading] = (await until(
    () => again.of('reading'),
    found => found.length === 1
  )) as [{ value: number }]
  assert.equal(reading.value, 2)
  const lost = await listen(f, '', 'billing', { 'last-event-id': 'former.12' })
  await until(
    () => lost.events,
    found => found.some(({ event }) => event === 'reset')
  )
  again.close()
  lost.close()
  await f.server.stop()
})

test('chargers come in pages, by name, and filtered', async () => {
  const f = await fleet()
  await f.db.query("INSERT INTO chargers (name) SELECT 'n' || lpad(i::text, 4, '0') FROM generate_series(1, 1203) i")
  await publish(f, 'c1', { OperationState: 'charging' }, time)
  const names: string[] = []
  let after: string | undefined
  do {
    const page: ChargersAnswer = await f.get(`/api/v1/chargers?limit=500${after ? `&after=${after}` : ''}`)
    assert.ok(page.chargers.length <= 500)
    names.push(...page.chargers.map(({ name }) => name))
    after = page.next
  } while (after !== undefined)
  assert.deepEqual([names.length, names[0], names.at(-1)], [1204, 'c1', 'n1203'])
  const found = async (query: string) =>
    (await f.get<ChargersAnswer>(`/api/v1/chargers?${query}`)).chargers.map(({ name }) => name)
  assert.deepEqual(await found('state=charging'), ['c1'])
  assert.deepEqual(await found('q=N120'), ['n1200', 'n1201', 'n1202', 'n1203'])
  assert.deepEqual(await found('connection=online'), ['c1'])
  await f.server.stop()
})

test('readings come raw and by bucket, in pages that join, days by the site, card ids masked for a viewer', async () => {
  const f = await fleet()
  await publish(f, 'c1', { PowerOutput: 1000, ConnectedVehicle: 'SECRET-2', TotalEnergyConsumption: 100 }, time)
  await publish(f, 'c1', { PowerOutput: 3000 }, '2026-11-01T10:30:00.000Z')
  await publish(f, 'c1', { TotalEnergyConsumption: 2100 }, '2026-11-01T10:59:00.000Z')
  await f.db.query("INSERT INTO sites (name, time_zone) VALUES ('Berlin', 'Europe/Berlin'), ('empty', 'UTC')")
  await f.db.query("UPDATE chargers SET site = (SELECT id FROM sites WHERE name = 'Berlin'), label = 'Yard'")
  const path = '/api/v1/chargers/c1/readings'
  const get = (query: string, role?: AccessRole) => f.get<ReadingsAnswer>(`${path}?${query}`, role)
  const zoned = await until(
    () => get('from=2026-11-01&to=2026-11-02'),
    answer => answer.timeZone === 'Europe/Berlin'
  )
  assert.deepEqual([zoned.from, zoned.to], ['2026-10-31T23:00:00.000Z', '2026-11-01T23:00:00.000Z'])
  const range = 'from=2026-11-01T10:00:00Z&to=2026-11-01T12:00:00Z'
  const raw = await get(range)
  const column = (answer: ReadingsAnswer, name: string) =>
    answer.rows.map(row => row[answer.columns.indexOf(name as never)])
  assert.deepEqual(column(raw, 'PowerOutput'), [1000, 3000, 3000])
  assert.deepEqual(column(raw, 'ConnectedVehicle'), ['SECRET-2', 'SECRET-2', 'SECRET-2'])
  const hours = await get(`${range}&resolution=1h`)
  assert.deepEqual(hours.rows[0], ['2026-11-01T10:00:00.000Z', 2000, 3000, 2000, null, null, null, 'SECRET-2'])
  for (const resolution of ['raw', '1m']) {
    const viewed = await get(`${range}&resolution=${resolution}`, 'viewer')
    assert.doesNotMatch(JSON.stringify(viewed), /SECRET/)
    assert.match(JSON.stringify(viewed), /[*]{3}/)
    const all = await get(`${range}&resolution=${resolution}`)
    const pages: unknown[] = []
    let next: string | undefined
    do {
      const page: ReadingsAnswer = await get(`${range}&resolution=${resolution}&limit=2${next ? `&after=${next}` : ''}`)
      pages.push(...page.rows)
      next = page.next
    } while (next !== undefined)
    assert.deepEqual(pages, all.rows)
  }
  const { sites } = await f.get<SitesAnswer>('/api/v1/sites')
  assert.deepEqual(sites, [
    { name: 'Berlin', timeZone: 'Europe/Berlin', chargers: 1 },
    { name: 'empty', timeZone: 'UTC', chargers: 0 }
  ])
  const found = await f.get<ChargersAnswer>('/api/v1/chargers?site=Berlin&q=yard')
  assert.deepEqual(
    found.chargers.map(({ name, site, label }) => [name, site, label]),
    [['c1', 'Berlin', 'Yard']]
  )
  const wrong = await f.ask(`${path}?from=2026-11-02&to=2026-11-01&resolution=raw`)
  assert.equal(wrong.status, 400)
  assert.match(await wrong.text(), /from: expected a time before to/)
  const unclear = await f.ask(`${path}?from=2026-11-02T10:00:00&resolution=2h`)
  assert.match(await unclear.text(), /from: expected a day .*RFC 3339 .*resolution: expected raw.1m.15m.1h.1d, found/)
  await f.server.stop()
})

test('what is wrong with a request is told: each parameter, what was expected, what was found', async () => {
  const f = await fleet()
  const response = await f.ask('/api/v1/chargers?limit=0&state=happy&colour=red&after=a&after=b')
  assert.equal(response.status, 400)
  const { faults } = (await response.json()) as { faults: object[] }
  assert.deepEqual(faults, [
    { parameter: 'colour', expected: 'one of limit, after, state, connection, site, q', found: 'an unknown parameter' },
    { parameter: 'limit', expected: 'a whole number, 1 to 1000', found: '"0"' },
    { parameter: 'after', expected: 'it once', found: 'it 2 times' },
    {
      parameter: 'state',
      expected: 'unknown|off|idle|charging|scheduled_downtime|unscheduled_downtime',
      found: '"happy"'
    }
  ])
  assert.equal((await f.ask('/api/v1/chargers/nobody')).status, 404)
  assert.equal((await f.ask('/api/v1/chargers/nobody/messages')).status, 404)
  assert.equal((await f.ask('/api/v1/chargers/no%20body')).status, 400)
  await f.server.stop()
})

test('while the database for reading is away the API says so, what is in memory is told, and telemetry is stored', async () => {
  const databaseUrl = await harness.database()
  const readUrl = new URL(databaseUrl)
  const gate = await openGate(Number(readUrl.port), readUrl.hostname)
  harness.onEnd(() => gate.close())
  readUrl.hostname = '127.0.0.1'
  readUrl.port = String(gate.port)
  const f = await openFleet(harness, { readDatabaseUrl: readUrl.href }, databaseUrl)
  await publish(f, 'c1', { PowerOutput: 1 }, time)
  await until(
    () => f.ask('/api/v1/chargers/c1/readings'),
    ({ status }) => status === 200
  )
  await gate.close()
  const away = await until(
    () => f.ask('/api/v1/sessions'),
    ({ status }) => status === 503
  )
  assert.deepEqual((await away.json()) as object, {
    error: 'the database does not answer, try again',
    code: 'database_away'
  })
  assert.equal(away.headers.get('retry-after'), '5')
  await publish(f, 'c1', { PowerOutput: 2 }, '2026-11-01T10:00:10.000Z')
  const { chargers } = await f.get<ChargersAnswer>('/api/v1/chargers')
  assert.equal(chargers[0]!.values.PowerOutput!.value, 2)
  const { rows } = await f.db.query('SELECT count(*)::integer AS count FROM ev_readings')
  assert.equal(rows[0].count, 2)
  await f.server.stop()
})

test('a query that takes too long is given up, and told', async () => {
  const f = await fleet()
  await publish(f, 'c1', { PowerOutput: 1 }, time)
  await until(
    () => f.ask('/api/v1/chargers/c1/readings'),
    ({ status }) => status === 200
  )
  // The lock blocks all readers of the table, so the query runs into its time limit.
  await f.db.query('BEGIN; LOCK TABLE charging_sessions IN ACCESS EXCLUSIVE MODE')
  const slow = await f.ask('/api/v1/sessions')
  assert.equal(slow.status, 503)
  assert.equal(((await slow.json()) as { code: string }).code, 'too_slow')
  await f.db.query('ROLLBACK')
  assert.equal((await f.ask('/api/v1/sessions')).status, 200)
  await f.server.stop()
})

/** A TCP proxy in front of a port. Closing it also ends all its connections. */
async function openGate(port: number, host: string): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    const onward = connect(port, host)
    for (const end of [socket, onward]) {
      sockets.add(end)
      end.on('error', () => {})
    }
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}
