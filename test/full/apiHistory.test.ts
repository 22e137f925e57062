// Tests sessions and energy over HTTP. The pages hold every row once, days follow the clock of each charger's site, and
// card ids are masked for a viewer.

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { z } from 'zod'
import { kindOfQuarterHours, refreshQuarterHours } from '../../src/history/derive/quarterHours.ts'
import type { ChargersAnswer, EnergyAnswer, EnergyRow, SessionsAnswer } from '../../src/model/api/api.ts'
import { Registry } from '../../src/server/http/api/registry.ts'
import { openReadPool } from '../../src/server/store/readPool.ts'
import { Harness, until } from '../harness.ts'
import { type Fleet, openFleet } from './apiRig.ts'

const harness = Harness.use()
let f: Fleet
let ready: Promise<void> | undefined

const hourMs = 3_600_000
const at = (text: string): number => Date.parse(text)

beforeEach(() => {
  ready ??= setUp()
  return ready
})

async function setUp(): Promise<void> {
  f = await openFleet(harness)
  await f.db.query(
    "INSERT INTO sites (id, name, time_zone) VALUES (1, 'Berlin', 'Europe/Berlin'), (2, 'Auckland', 'Pacific/Auckland')"
  )
  await f.db.query("INSERT INTO chargers (id, name, site) VALUES (1, 'b1', 1), (2, 'a1', 2), (3, 'u1', NULL)")
  await f.db.query("INSERT INTO cards (uid, label, person) VALUES ('CARD-1', 'Van', 'Ada')")
  await f.db.query(`
    INSERT INTO charging_sessions (charger, charger_id, started_at, ended_at, energy_wh, peak_power_w, vehicle, interruptions,
      meter_start_wh, meter_end_wh, estimated, charged_until, cost_amount, currency, quarter_milli_wh, decided_at)
    SELECT name, id, start, CASE WHEN i < 40 THEN start + interval '30 minutes' END, 1000 + i, 7000, 'CARD-1', 0,
      i * 1000, i * 1000 + 1000, false, start, 0.3, 'EUR', '{}', start
    FROM chargers, generate_series(1, 40) i, LATERAL (SELECT timestamptz '2026-09-29T22:00Z' + i * interval '1 hour' AS start) t`)
  // A counter that gains 100 Wh every quarter hour from 29 September, 12:00 UTC.
  await f.db.query(`
    INSERT INTO ev_readings (charger_id, time, total_energy_consumption, power_output)
    SELECT id, timestamptz '2026-09-29T12:00Z' + i * interval '15 minutes', i * 100, 400
    FROM chargers, generate_series(0, 4 * 24 * 5) i`)
  const range = { fromMs: at('2026-09-29T12:00Z'), toMs: at('2026-10-05T00:00Z') }
  const ranges = [1, 2, 3].map(chargerId => ({ chargerId, ...range }))
  await refreshQuarterHours(f.db, await kindOfQuarterHours(f.db), ranges, Date.now())
  await until(
    () => f.get<ChargersAnswer>('/api/v1/chargers'),
    ({ chargers }) => chargers.length === 3
  )
}

async function pages<Answer extends { readonly next?: string }, Row>(
  path: string,
  rows: (answer: Answer) => readonly Row[]
): Promise<Row[]> {
  const all: Row[] = []
  for (let after: string | undefined; ; ) {
    const answer: Answer = await f.get(`${path}${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`)
    all.push(...rows(answer))
    after = answer.next
    if (after === undefined) return all
    assert.ok(rows(answer).length > 0, 'an empty page leads nowhere')
  }
}
const sessionRows = (answer: SessionsAnswer) => answer.sessions
const energyRows = (answer: EnergyAnswer) => answer.energy

test('sessions come in pages, open ones first, each once', async () => {
  const query = '/api/v1/sessions?from=2026-09-29T00:00:00Z'
  const whole = await f.get<SessionsAnswer>(`${query}&limit=1000`)
  assert.equal(whole.sessions.length, 120)
  assert.deepEqual(
    whole.sessions.slice(0, 4).map(({ endedAt }) => endedAt),
    [null, null, null, '2026-10-01T13:30:00.000Z']
  )
  for (const limit of [1, 7, 119, 120]) {
    assert.deepEqual(await pages(`${query}&limit=${limit}`, sessionRows), whole.sessions, `pages of ${limit}`)
  }
})

test('a day is that of the site, and open sessions are of the present alone', async () => {
  const september = await f.get<SessionsAnswer>('/api/v1/sessions?from=2026-09-01&to=2026-10-01&limit=1000')
  const ends = (charger: string) =>
    september.sessions.filter(session => session.charger === charger).map(({ endedAt }) => endedAt)
  assert.equal(ends('b1')[0], '2026-09-30T21:30:00.000Z')
  assert.equal(ends('a1')[0], '2026-09-30T10:30:00.000Z')
  assert.equal(ends('u1')[0], '2026-09-30T23:30:00.000Z')
  const one = await f.get<SessionsAnswer>('/api/v1/sessions?from=2026-09-01&to=2026-10-01&limit=1000&charger=b1')
  assert.deepEqual(
    one.sessions.map(({ endedAt }) => endedAt),
    ends('b1')
  )
  const site = await f.get<SessionsAnswer>('/api/v1/sessions?from=2026-09-01&to=2026-10-01&limit=1000&site=Berlin')
  assert.deepEqual(site, one)
})

test('a session says what it was, and to a viewer not whose', async () => {
  const path = '/api/v1/sessions?from=2026-09-29T00:00:00Z&to=2026-09-30T00:00:00Z&charger=b1'
  const [session] = (await f.get<SessionsAnswer>(path, 'billing')).sessions
  assert.deepEqual(session, {
    charger: 'b1',
    startedAt: '2026-09-29T23:00:00.000Z',
    endedAt: '2026-09-29T23:30:00.000Z',
    energyWh: 1001,
    peakPowerW: 7000,
    vehicle: 'CARD-1',
    interruptions: 0,
    meterStartWh: 1000,
    meterEndWh: 2000,
    estimated: false,
    costAmount: 0.3,
    currency: 'EUR'
  })
  assert.equal((await f.get<SessionsAnswer>(path, 'viewer')).sessions[0]!.vehicle, '***')
})

test('energy comes by bucket in pages, days and months of each site, and adds up the same', async () => {
  const range = 'from=2026-09-30T00:00:00Z&to=2026-10-02T00:00:00Z'
  const sum = (rows: readonly EnergyRow[], charger = 'u1') =>
    rows.filter(row => row.charger === charger).reduce((total, { energyWh }) => total + energyWh, 0)
  for (const resolution of ['15m', '1h', '1d'] as const) {
    const path = `/api/v1/energy?${range}&resolution=${resolution}`
    const whole = (await f.get<EnergyAnswer>(`${path}&limit=5000`)).energy
    assert.equal(sum(whole), 19_200, resolution)
    for (const limit of [1, 5, 300]) {
      if (limit === 1 && resolution === '15m') continue
      assert.deepEqual(await pages(`${path}&limit=${limit}`, energyRows), whole, `${resolution} by ${limit}`)
    }
  }
  const days = await f.get<EnergyAnswer>('/api/v1/energy?from=2026-10-01&to=2026-10-02&resolution=1d')
  assert.deepEqual(
    days.energy.map(({ charger, time, energyWh, powerMeanW, powerMaxW }) => [
      charger,
      time,
      energyWh,
      powerMeanW,
      powerMaxW
    ]),
    [
      ['a1', '2026-09-30T11:00:00.000Z', 9_600, 400, 400],
      ['b1', '2026-09-30T22:00:00.000Z', 9_600, 400, 400],
      ['u1', '2026-10-01T00:00:00.000Z', 9_600, 400, 400]
    ]
  )
  assert.deepEqual([days.from, days.to], ['2026-10-01', '2026-10-02'])
  const months = await pages(
    '/api/v1/energy?from=2026-09-01&to=2026-11-01&resolution=1mo&site=Berlin&limit=1',
    energyRows
  )
  assert.deepEqual(
    months.map(({ time, energyWh }) => [time, energyWh]),
    [
      ['2026-08-31T22:00:00.000Z', 34 * 400 - 100 + 100 - 100],
      ['2026-09-30T22:00:00.000Z', 48_000 - 34 * 400 + 100]
    ]
  )
})

test('what is asked wrongly is told', async () => {
  for (const [path, expected] of [
    ['/api/v1/sessions?charger=nobody', /charger: expected a charger that is known, found nobody/],
    ['/api/v1/energy?site=Nowhere', /site: expected a site that has chargers, found Nowhere/],
    ['/api/v1/sessions?after=x', /after: expected `next` of the answer before/],
    ['/api/v1/energy?after=x', /after: expected `next` of the answer before/],
    ['/api/v1/energy?from=2026-10-02&to=2026-10-02', /from: expected a time before to/],
    ['/api/v1/energy?resolution=raw', /resolution: expected 15m.1h.1d.1mo, found [^ ]*raw/]
  ] as const) {
    const response = await f.ask(path)
    assert.equal(response.status, 400, path)
    assert.match(await response.text(), expected)
  }
})

test('energy of today is since midnight of the site', async () => {
  const now = Date.now()
  await f.db.query(
    `INSERT INTO ev_readings (charger_id, time, total_energy_consumption)
     SELECT id, timestamptz 'epoch' + $1 * interval '1 millisecond' - i * interval '30 minutes', 1000000 - i * 10
     FROM chargers, generate_series(0, 60) i`,
    [now]
  )
  const ranges = [1, 2, 3].map(chargerId => ({ chargerId, fromMs: now - 48 * hourMs, toMs: now }))
  await refreshQuarterHours(f.db, await kindOfQuarterHours(f.db), ranges, now)
  const { rows } = await f.db.query(
    `SELECT name, (SELECT 10 * count(*)::integer FROM ev_readings r WHERE r.charger_id = c.id AND time >= m.midnight
       AND time > now() - interval '3 days')::float8 AS energy
     FROM chargers c, LATERAL (SELECT date_trunc('day', now(), coalesce((SELECT time_zone FROM sites s WHERE s.id = c.site), 'UTC')) AS midnight) m`
  )
  const expected = new Map(rows.map(({ name, energy }) => [name, energy]))
  const pool = openReadPool(f.databaseUrl, () => {})
  harness.onEnd(() => pool.end())
  assert.deepEqual(new Map([...(await new Registry(pool).energyToday())].sort()), new Map([...expected].sort()))
  await assert.rejects(pool.query('DELETE FROM charging_sessions'), { code: '25006' }, 'reading changes nothing')
})

test('every answer is as the OpenAPI document says', async () => {
  const document = await f.get<{ paths: Record<string, { get: { responses: Record<string, { content: Content }> } }> }>(
    '/api/v1/openapi.json'
  )
  const live = await f.ask('/api/v1/events')
  assert.equal(live.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  await live.body!.cancel()
  let checked = 0
  for (const [path, { get }] of Object.entries(document.paths)) {
    const { content } = get.responses[200]!
    if (path.endsWith('/events')) continue
    const queries = path.endsWith('{name}/readings') ? ['?resolution=raw', '?resolution=1h'] : ['']
    const range = /readings|sessions|energy|export/.test(path)
      ? 'from=2026-09-29T10:00:00Z&to=2026-10-02T00:00:00Z'
      : ''
    for (const query of queries) {
      const response = await f.ask(
        `${path.replace('{name}', 'b1')}${query || '?'}${range && `&${range}`}`.replace('?&', '?').replace(/[?]$/, '')
      )
      assert.equal(response.status, 200, path)
      const [type] = response.headers.get('content-type')!.split(';')
      assert.ok(type! in content, `${path} answers ${type}`)
      if (path.includes('/export/')) {
        await response.text()
        continue
      }
      const schema = z.fromJSONSchema(content[type!]!.schema as never)
      const answer = await response.json()
      const { error } = schema.safeParse(answer)
      assert.equal(error, undefined, `${path}: ${error && z.prettifyError(error)}`)
      // A schema that accepts everything would prove nothing.
      assert.equal(schema.safeParse({}).success, false, path)
      if (!path.endsWith('openapi.json'))
        assert.equal(schema.safeParse({ ...(answer as object), more: 1 }).success, false, path)
      checked++
    }
  }
  assert.ok(checked >= 10, `only ${checked} answers`)
})

type Content = Record<string, { schema: object }>
