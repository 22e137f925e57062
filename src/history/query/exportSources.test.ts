// Exports page by page: where each page starts, when open sessions are included, and what is hidden from a caller who
// may not read cards.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { type Answer, RecordedDb } from '../testing/recordedDb.ts'
import { Zones } from '../zone.ts'
import { type ExportOptions, exportText } from './export.ts'

const dayMs = 86_400_000
const fromMs = Date.parse('2026-10-01T00:00:00Z')
const charger = (id: number, timeZone = 'UTC') => {
  return { id, name: `w${id}`, site: 'home', label: null, serial: null, tariff: null, timeZone }
}

async function run(more: Partial<ExportOptions>, ...answers: Answer[]) {
  const recorded = new RecordedDb(answers)
  const counts: number[] = []
  const options: ExportOptions = {
    kind: 'sessions',
    db: recorded.db,
    within: { from: { timeUs: fromMs * 1000 }, to: { timeUs: (fromMs + 10 * dayMs) * 1000 } },
    chargers: [charger(1)],
    chargerId: undefined,
    site: undefined,
    resolution: '1d',
    zones: new Zones(),
    nowMs: fromMs + 20 * dayMs,
    pageRows: 2,
    mayReadCards: true,
    format: 'json',
    separator: 'comma',
    progress: rows => counts.push(rows),
    ...more
  }
  let text = ''
  for await (const piece of exportText(options)) text += piece
  return { recorded, text, rows: options.format === 'json' ? JSON.parse(text) : [], counts }
}

const session = (startedUs: number, more: object = {}): object => ({
  chargerId: 1,
  charger: 'w1',
  site: 'home',
  timeZone: 'Europe/Berlin',
  startedUs: String(startedUs),
  endedUs: String(startedUs + 3600e6),
  energyWh: 1_234.5678,
  peakPowerW: null,
  vehicle: 'A',
  cardLabel: 'Label',
  person: 'Ann',
  interruptions: 0,
  meterStartWh: 0,
  meterEndWh: 1_234.5678,
  estimated: false,
  costAmount: 0.3,
  currency: 'EUR',
  ...more
})
const pages = (part: string, ...all: object[][]): Answer => [part, () => all.shift() ?? []]

describe('sessions as a file', () => {
  const startedUs = fromMs * 1000
  it('go on behind the last one of a page, and end with a page that is not full', async () => {
    const open = session(startedUs + 1, { endedUs: null })
    const found = await run({}, pages('FROM charging_sessions', [session(startedUs), open], [session(startedUs - 5)]))
    assert.equal(found.rows.length, 3)
    assert.deepEqual(found.counts, [2, 3])
    const [first, second] = found.recorded.of('FROM charging_sessions')
    assert.equal(first!.values.includes(startedUs + 1), false)
    assert.ok(second!.values.includes(startedUs + 1), 'behind the open one, by its start')
  })

  it('of no session are a whole file', async () => {
    assert.deepEqual((await run({})).rows, [])
    assert.match((await run({ format: 'csv' })).text, /^\ufeffCharger,Site,.*,Currency\r\n$/)
  })

  const presents: [toMs: number, nowMs: number, isWithOpen: boolean][] = [
    [fromMs, fromMs - 1, true],
    [fromMs, fromMs, false],
    [fromMs, fromMs + 1, false]
  ]
  for (const [toMs, nowMs, isWithOpen] of presents) {
    it(`up to ${toMs - nowMs} ms from now are ${isWithOpen ? 'with' : 'without'} the open ones`, async () => {
      const within = { from: { timeUs: 0 }, to: { timeUs: toMs * 1000 } }
      const { recorded } = await run({ within, nowMs })
      assert.equal(recorded.asked[0]!.text.includes('s.ended_at IS NULL OR'), isWithOpen)
    })
  }

  it('have times of the site, kWh in CSV and Wh in JSON, and hide cards and persons from who may not see them', async () => {
    const answer = (): Answer => pages('FROM charging_sessions', [session(startedUs)])
    const csv = (await run({ format: 'csv', mayReadCards: false }, answer())).text.split('\r\n')[1]!
    assert.equal(
      csv,
      'w1,home,2026-10-01T02:00:00.000+02:00,2026-10-01T03:00:00.000+02:00,Europe/Berlin,1.234568,,***,***,***,0,0,1.234568,no,0.3,EUR'
    )
    const [json] = (await run({}, answer())).rows
    assert.deepEqual([json.energyWh, json.vehicle, json.person], [1_234.5678, 'A', 'Ann'])
    const nobody = pages('FROM charging_sessions', [session(startedUs, { vehicle: '', cardLabel: null, person: null })])
    const [none] = (await run({ mayReadCards: false }, nobody)).rows
    assert.deepEqual([none.vehicle, none.cardLabel, none.person], ['', null, null], 'that there is none is no secret')
  })
})

describe('readings as a file', () => {
  const held: Answer = ['array_agg', [valueSpecs.flatMap(() => [null, null])]]
  const row = (us: number, card: string | null = null): unknown[] => [
    String(us),
    ...valueSpecs.map(({ column }) =>
      column === 'power_output' ? 1_500 : column === 'connected_vehicle' ? card : null
    )
  ]
  const spans = ({ asked }: RecordedDb): string[] =>
    asked
      .filter(({ text }) => text.includes('ORDER BY time LIMIT'))
      .map(({ values }) => `${values[0]} ${(values[1] as string).slice(8, 19)} ${(values[2] as string).slice(8, 19)}`)

  it('are read a week at a time, charger by charger, up to a day from now', async () => {
    const { recorded } = await run({ kind: 'readings', chargers: [charger(1), charger(2)] }, held)
    assert.deepEqual(spans(recorded), [
      '1 01T00:00:00 08T00:00:00',
      '1 08T00:00:00 11T00:00:00',
      '2 01T00:00:00 08T00:00:00',
      '2 08T00:00:00 11T00:00:00'
    ])
    const early = await run({ kind: 'readings', nowMs: fromMs + dayMs }, held)
    assert.deepEqual(spans(early.recorded), ['1 01T00:00:00 03T00:00:00'])
    const future = await run({ kind: 'readings', nowMs: fromMs - dayMs }, held)
    assert.deepEqual(spans(future.recorded), [])
  })

  it('go on behind the last row of a full page, within the same week, with what held', async () => {
    const us = fromMs * 1000
    const all = [[row(us, 'A'), row(us + 5)], [row(us + 6)]]
    const { recorded, rows } = await run(
      { kind: 'readings', within: { from: { timeUs: us }, to: { timeUs: us + 60e6 } } },
      ['ORDER BY time LIMIT', () => all.shift() ?? []],
      held
    )
    assert.deepEqual(
      recorded.of('ORDER BY time LIMIT').map(({ values }) => values[1]),
      ['2026-10-01T00:00:00.000Z', '2026-10-01T00:00:00.000006Z']
    )
    assert.equal(recorded.of('array_agg').length, 1, 'what held before is asked for once')
    assert.deepEqual(
      rows.map((one: { ConnectedVehicle: string }) => one.ConnectedVehicle),
      ['A', 'A', 'A']
    )
  })

  it('hide cards from who may not see them, but not that there is none', async () => {
    const us = fromMs * 1000
    const all = [[row(us, 'A'), row(us + 1, '')]]
    const { rows } = await run(
      { kind: 'readings', mayReadCards: false, pageRows: 9 },
      ['ORDER BY time LIMIT', () => all.shift() ?? []],
      held
    )
    assert.deepEqual(
      rows.map((one: { ConnectedVehicle: string }) => one.ConnectedVehicle),
      ['***', '']
    )
  })
})

describe('energy as a file', () => {
  it('is read by page, in the plan of the pages', async () => {
    const bucket = {
      charger: 'w1',
      site: 'home',
      timeZone: 'UTC',
      timeUs: String(fromMs * 1000),
      energyWh: 24_000,
      powerMaxW: 2_000
    }
    const { recorded, rows } = await run({ kind: 'energy', pageRows: 4 }, ['quarter_hour_energy', [bucket]])
    assert.deepEqual(
      recorded.asked.map(({ values }) => (values[3] as string[])[0]!.slice(0, 10)),
      ['2026-10-01', '2026-10-05', '2026-10-09']
    )
    assert.equal(rows[0].powerMeanW, 1_000)
  })
})

describe('closed months as a file', () => {
  const line = (id: number, number: number): object => {
    return { id, line: number, site: 'home', timeZone: 'UTC', startedUs: '0', endedUs: null, vehicle: 'A', energyWh: 1 }
  }
  it('go on behind the last line, of the days that are asked for, and of one charger', async () => {
    const { recorded } = await run(
      {
        kind: 'month',
        chargerId: 1,
        site: 'home',
        within: { from: { day: '2026-10-01' }, to: { timeUs: fromMs * 1000 } }
      },
      pages('FROM month_lines', [line(1, 1), line(2, 1)], [])
    )
    assert.deepEqual(
      recorded.asked.map(({ values }) => values),
      [
        ['2026-10-01', '2026-10-01', 'w1', 'home', 0, 0, 2],
        ['2026-10-01', '2026-10-01', 'w1', 'home', 2, 1, 2]
      ]
    )
  })

  it('of all chargers and sites name none', async () => {
    const { recorded } = await run({ kind: 'month' })
    assert.deepEqual(recorded.asked[0]!.values.slice(2, 4), [null, null])
  })

  it('hide cards from who may not see them', async () => {
    const { rows } = await run({ kind: 'month', mayReadCards: false }, ['FROM month_lines', [line(1, 1)]])
    assert.equal(rows[0].vehicle, '***')
  })
})
