// Tests answers of the API in pages: when `next` is present, where it leads, and which parts each role sees.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Answer, RecordedDb } from '../../../history/testing/recordedDb.ts'
import { Zones } from '../../../history/zone.ts'
import { valueSpecs } from '../../../model/wire/chargerState.ts'
import { encodeEnvelope } from '../../../model/wire/envelope.ts'
import { Access } from '../../access/access.ts'
import type { AccessRole } from '../../access/tokens.ts'
import { makeApp } from '../routes.ts'
import { type ApiParts, apiRoutes } from './api.ts'
import { Exporting } from './exports.ts'
import { exportsMax } from './limits.ts'

const names = ['a', 'b', 'c', 'd']
const registered = names.map((name, id) => {
  return {
    id,
    name,
    site: name === 'd' ? null : 'home',
    label: `L-${name}`,
    serial: null,
    tariff: null,
    timeZone: 'UTC'
  }
})
const entry = (timeUs: number, value: string | number) => ({ timeUs, payload: encodeEnvelope({ timeUs, value }) })
const shadow = new Map([
  [
    'a',
    new Map([
      ['OperationState', entry(5e6, 'charging')],
      ['ConnectedVehicle', entry(6e6, 'CARD7')]
    ])
  ],
  ['b', new Map([['Connection', entry(7e6, 'online')]])],
  ['z', new Map([['PowerOutput', entry(1e6, 7)]])]
])

function open(answers: readonly Answer[] = [], role: AccessRole = 'viewer') {
  const recorded = new RecordedDb(answers)
  const exporting = new Exporting()
  const parts = {
    db: recorded.db,
    exporting,
    newest: { chargers: shadow.keys(), valuesOf: (name: string) => shadow.get(name) },
    registry: {
      zones: new Zones(),
      chargers: async () => new Map(registered.map(one => [one.name, one])),
      energyToday: async () => new Map([['a', 9]])
    },
    problems: () => [],
    problemList: () => []
  } as unknown as ApiParts
  const grant = { name: 'n', role }
  const access = new Access({
    tokenCache: () => ({ isGuarded: true, find: async () => grant }) as never,
    isLoopback: false,
    isTls: false,
    report() {}
  })
  const app = makeApp({ routes: apiRoutes(() => parts), access, failed: (_, error) => assert.ifError(error) })
  const ask = async (path: string): Promise<Response> =>
    app.request(`/api/v1/${path}`, { headers: { host: 'localhost', authorization: 'Bearer x' } })
  // biome-ignore lint/suspicious/noExplicitAny: an answer is checked by what a test reads of it
  const json = async (path: string): Promise<any> => (await ask(path)).json()
  return { recorded, exporting, ask, json }
}

describe('chargers', () => {
  const listed = async (query: string, role?: AccessRole) => {
    const { chargers, next } = await open([], role).json(`chargers?${query}`)
    return [chargers.map(({ name }: { name: string }) => name).join(''), next]
  }
  const lists: [query: string, names: string, next: string | undefined][] = [
    ['', 'abcdz', undefined],
    ['limit=5', 'abcdz', undefined],
    ['limit=4', 'abcd', 'd'],
    ['limit=1&after=a', 'b', 'b'],
    ['after=z', '', undefined],
    ['state=charging', 'a', undefined],
    ['connection=online', 'b', undefined],
    ['connection=offline', 'acdz', undefined],
    ['site=home', 'abc', undefined],
    ['q=l-B', 'b', undefined]
  ]
  for (const [query, found, next] of lists) {
    it(`with ${query || 'no filter'} are ${found || 'none'}${next ? ', and more' : ''}`, async () =>
      assert.deepEqual(await listed(query), [found, next]))
  }

  it('are found by a card id by who may see it, and by nobody else', async () => {
    assert.deepEqual(await listed('q=card7', 'viewer'), ['', undefined])
    assert.deepEqual(await listed('q=card7', 'billing'), ['a', undefined])
  })

  it('tell their newest sample, and mask the card', async () => {
    const one = await open().json('chargers/a')
    assert.equal(one.lastSampleTime, '1970-01-01T00:00:06.000Z')
    assert.equal(one.values.ConnectedVehicle.value, '***')
    assert.equal(one.energyTodayWh, 9)
    const silent = await open().json('chargers/c')
    assert.deepEqual([silent.lastSampleTime, silent.connection, silent.energyTodayWh], [null, null, null])
    assert.equal((await open().ask('chargers/nobody')).status, 404)
  })
})

describe('the messages of a charger', () => {
  const row = (us: number): unknown[] => [
    String(us),
    ...valueSpecs.map(({ column }) => (column === 'connected_vehicle' ? 'CARD7' : null))
  ]
  it('are those up to the newest that is known', async () => {
    const { recorded, json } = open([['FROM ev_readings', [row(6e6)]]])
    const { messages } = await json('chargers/a/messages?limit=1')
    assert.deepEqual(messages, [{ time: '1970-01-01T00:00:06.000Z', values: { ConnectedVehicle: '***' } }])
    assert.equal(recorded.asked[0]!.values[2], '1970-01-01T00:00:06.000Z')
  })
  it('are none where nothing was told, and the charger is known', async () => {
    const { recorded, json, ask } = open()
    assert.deepEqual((await json('chargers/c/messages')).messages, [])
    assert.equal(recorded.asked.length, 0)
    assert.equal((await ask('chargers/nobody/messages')).status, 404)
  })
})

describe('raw readings', () => {
  const held: Answer = ['array_agg', [valueSpecs.flatMap(() => [null, null])]]
  const toUs = Date.parse('2026-10-02T00:00:00Z') * 1000
  const row = (us: number): unknown[] => [String(us), ...valueSpecs.map(() => null)]
  const nextOf = async (times: number[]): Promise<string | undefined> => {
    const { json } = open([['ORDER BY time LIMIT', times.map(row)], held])
    return (await json('chargers/a/readings?from=2026-10-01&to=2026-10-02&limit=2')).next
  }
  it('have more where the page is full', async () => {
    assert.equal(await nextOf([toUs - 9, toUs - 2]), '2026-10-01T23:59:59.999998Z')
    assert.equal(await nextOf([toUs - 2]), undefined)
    assert.equal(await nextOf([]), undefined)
  })
  it('have no more behind the last microsecond of the range', async () =>
    assert.equal(await nextOf([toUs - 9, toUs - 1]), undefined))
})

describe('readings by hour', () => {
  const held: Answer = ['array_agg', [valueSpecs.flatMap(() => [null, null])]]
  const page = async (query: string) => {
    const { json } = open([['width_bucket', []], held])
    const { rows, next } = await json(
      `chargers/a/readings?resolution=1h&from=2025-10-01&to=2025-10-01T03:00:00Z${query}`
    )
    return [rows.map(([time]: string[]) => time!.slice(11, 13)).join(' '), next?.slice(11, 13)]
  }
  const cases: [query: string, hours: string, next: string | undefined][] = [
    ['', '00 01 02', undefined],
    ['&limit=3', '00 01 02', undefined],
    ['&limit=2', '00 01', '01'],
    ['&limit=2&after=2025-10-01T01:00:00Z', '02', undefined],
    ['&limit=1&after=2025-10-01T00:00:00Z', '01', '01'],
    ['&after=2025-10-01T02:00:00Z', '', undefined],
    ['&after=2025-10-01T03:00:00Z', '', undefined],
    ['&after=2025-09-30T23:00:00Z', '00 01 02', undefined]
  ]
  for (const [query, hours, next] of cases) {
    it(`with ${query || 'no limit'} are those of ${hours || 'no hour'}`, async () =>
      assert.deepEqual(await page(query), [hours, next]))
  }
})

describe('sessions', () => {
  const session = (startedUs: number, endedUs: string | null) => {
    return { chargerId: 3, charger: 'a', startedUs: String(startedUs), endedUs, vehicle: 'CARD7', energyWh: 1 }
  }
  const all = [session(9, null), session(5, '8'), session(3, '7')]
  it('have more where one more is found than asked for, which leads on', async () => {
    const { recorded, json } = open([['FROM charging_sessions', ([, , limit]) => all.slice(0, limit as number)]])
    const first = await json('sessions?limit=1')
    assert.deepEqual([first.sessions.length, first.next, first.sessions[0].vehicle], [1, 'open.9.3', '***'])
    assert.equal((await json('sessions?limit=2')).next, '8.5.3')
    assert.equal((await json('sessions?limit=3')).next, undefined)
    await json('sessions?limit=1&after=8.5.3')
    assert.deepEqual(
      recorded.asked
        .at(-1)!
        .values.filter(value => typeof value === 'number')
        .sort(),
      [2, 3, 5, 5, 8, 8]
    )
  })
  it('know no other token than their own', async () => {
    for (const after of ['x', '8.5', '8.5.3.1', 'open.x.3', '8.5.-3'])
      assert.equal((await open().ask(`sessions?after=${after}`)).status, 400, after)
  })
  it('of a charger that is not known are a fault, and of a site without chargers, too', async () => {
    assert.equal((await open().ask('sessions?charger=nobody')).status, 400)
    assert.equal((await open().ask('energy?site=moon')).status, 400)
  })
})

describe('energy', () => {
  it('leads on with charger and bucket, and takes that back', async () => {
    const { json, ask, recorded } = open([['quarter_hour_energy', []]])
    const range = 'resolution=1h&from=2025-10-01T00:00:00Z&to=2025-10-01T02:00:00Z'
    assert.equal((await json(`energy?${range}&limit=2`)).next, 'a/2025-10-01T01:00:00.000Z')
    assert.equal((await json(`energy?${range}&limit=8`)).next, undefined)
    await json(`energy?${range}&limit=2&after=a/2025-10-01T01:00:00.000Z`)
    assert.deepEqual(recorded.asked.at(-1)!.values[2], [1], 'charger b')
    for (const after of ['a', '/2025-10-01T01:00:00Z', 'a/soon'])
      assert.equal((await ask(`energy?${range}&after=${after}`)).status, 400)
  })
})

describe('exports', () => {
  it('are few at once; who comes too much is told, and each makes room when it ends', async () => {
    const { exporting, ask } = open()
    exporting.count = exportsMax
    const refused = await ask('export/sessions')
    assert.deepEqual([refused.status, exporting.count], [503, exportsMax])
    exporting.count = exportsMax - 1
    const response = await ask('export/sessions')
    assert.deepEqual([response.status, exporting.count], [200, exportsMax])
    await response.text()
    assert.equal(exporting.count, exportsMax - 1)
  })

  it('that fail before the first row are told, and make room', async () => {
    const { exporting, ask } = open([
      ['FROM charging_sessions', Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]
    ])
    assert.deepEqual([(await ask('export/sessions')).status, exporting.count], [503, 0])
  })

  it('have the name of their range', async () => {
    const response = await open().ask('export/sessions?from=2025-10-01&to=2025-11-01T00:00:00Z&format=json')
    assert.match(response.headers.get('content-disposition')!, /"chargelift-sessions-2025-10-01-2025-11-01\.json"/)
    assert.deepEqual(await response.json(), [])
  })
})

describe('a database that does not answer', () => {
  const errors: [code: string, message: string, status: number, answer: string | undefined][] = [
    ['57014', 'canceling statement', 503, 'too_slow'],
    ['57P01', 'terminating connection', 503, 'database_away'],
    ['08006', 'connection failure', 503, 'database_away'],
    ['53300', 'too many connections', 503, 'database_away'],
    ['40001', 'could not serialize', 503, 'database_away'],
    ['ECONNREFUSED', 'refused', 503, 'database_away'],
    ['', 'timeout exceeded when trying to connect', 503, 'database_away'],
    ['', 'Connection terminated unexpectedly', 503, 'database_away']
  ]
  for (const [code, message, status, answer] of errors) {
    it(`with ${code || message} is ${status} ${answer}`, async () => {
      const { ask } = open([['FROM sites', Object.assign(new Error(message), { code })]])
      const response = await ask('sites')
      assert.equal(response.status, status)
      assert.equal(response.headers.get('retry-after'), '5')
      assert.equal(((await response.json()) as { code: string }).code, answer)
    })
  }
})
