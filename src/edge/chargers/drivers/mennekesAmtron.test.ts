import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { chargerContract } from '../../testing/chargerContract.ts'
import { answer, type FakeCharger, json, type Reply, startFakeCharger } from '../../testing/fakeCharger.ts'
import type { Charger, ChargerOptions } from '../charger.ts'
import { mapAnswer, mennekesAmtron } from './mennekesAmtron.ts'

const devKey = '0042&secret'
const good = { ChgState: 'Charging', Uid: '04A2', ChgDuration: 60, ChgNrg: 180, ActPwr: 11000, ActCurr: 16 }

let fake: FakeCharger
const opened: Charger[] = []
before(async () => {
  fake = await startFakeCharger(json(good))
})
after(() => fake.stop())
afterEach(async () => {
  await Promise.all(opened.splice(0).map(charger => charger.close()))
  fake.paths.length = 0
})

let monotonicMs = 0
function open(options: Partial<ChargerOptions> = {}): Charger {
  const clock = { monotonicMs: () => monotonicMs }
  const charger = mennekesAmtron({ url: fake.url, devKey, clock, timeoutMs: 2_000, ...options })
  opened.push(charger)
  return charger
}

/** Answers ChargeData with the first reply and DevInfo with the second. */
const replies =
  (chargeData: Reply, deviceInfo: Reply = json({ Err: 0, Phases: 3, Sn: 4711 })): Reply =>
  (socket, path) =>
    (path.includes('/DevInfo') ? deviceInfo : chargeData)(socket, path)

describe('the contract of a driver', () =>
  chargerContract({
    driver: mennekesAmtron,
    fixtures: new URL('./fixtures/mennekes-amtron/', import.meta.url),
    bodyOf: ({ chargeData }) => JSON.stringify(chargeData),
    call: '/ChargeData',
    others: ({ deviceInfo }) => json(deviceInfo ?? {}),
    good: { body: JSON.stringify(good), powerWatts: 11_000 }
  }))

describe('every word and error code has its operation state', () => {
  const table: [word: string | undefined, err: number | undefined, state: string][] = [
    ['Charging', 0, 'charging'],
    ['Charging', undefined, 'charging'],
    ['Charging', 15, 'charging'],
    ['Idle', 0, 'idle'],
    ['Paused', 0, 'idle'],
    ['StandbyAuthorize', 0, 'idle'],
    ['StandbyConnect', 0, 'idle'],
    ['Terminated', 0, 'idle'],
    ['Error', 0, 'unscheduled_downtime'],
    ['Error', undefined, 'unscheduled_downtime'],
    ['Error', 102, 'scheduled_downtime'],
    ['Idle', 10, 'unscheduled_downtime'],
    ['Idle', 255, 'unscheduled_downtime'],
    ['Idle', 30, 'unknown'],
    ['Idle', 102, 'scheduled_downtime'],
    ['Idle', 103, 'scheduled_downtime'],
    ['Foo', 0, 'unknown'],
    ['charging', 0, 'unknown'],
    ['', 0, 'unknown'],
    [undefined, 0, 'unknown']
  ]
  for (const [word, err, state] of table) {
    test(`${word} with Err ${err} is ${state}`, () => {
      const data = word === undefined ? { ActPwr: 1 } : { ChgState: word }
      const { values } = mapAnswer(data, err === undefined ? {} : { Err: err })
      assert.equal(values.OperationState, state)
      assert.equal(values.ChargerStatus, word)
    })
  }
})

describe('power is plausible up to phases x rated current x 400 V, and never above 50 kW', () => {
  const table: [name: string, power: number, info: object, phases: number | undefined, kept: boolean][] = [
    ['three phases of 32 A by default', 38_000, {}, undefined, true],
    ['above that', 38_500, {}, undefined, false],
    ['one phase as the box says', 13_000, { Phases: 1 }, undefined, false],
    ['the configuration overrides the box', 13_000, { Phases: 1 }, 3, true],
    ['and the other way round', 13_000, { Phases: 3 }, 1, false],
    ['rated 16 A', 20_000, { Phases: 3, MaxCurr: 16, MaxCurrWb: 16 }, undefined, false],
    ['limits of 0 mean not told', 22_000, { Phases: 3, MaxCurr: 0, MaxCurrWb: 0 }, undefined, true],
    ['never above 50 kW', 50_001, { MaxCurr: 80 }, 3, false],
    ['negative', -1, {}, undefined, false],
    ['zero', 0, {}, undefined, true]
  ]
  for (const [name, power, info, phases, kept] of table) {
    test(name, () => {
      const { values, implausible } = mapAnswer({ ActPwr: power }, info, phases)
      assert.equal(values.PowerOutput, kept ? power : undefined)
      assert.deepEqual(implausible, kept ? [] : [`ActPwr ${power}`])
    })
  }
})

test('texts that the wire contract forbids are left out or cut', () => {
  const { values, implausible } = mapAnswer({ ChgState: `${'x'.repeat(100)}\0`, Uid: 'a'.repeat(33) }, {})
  assert.equal(values.ChargerStatus, 'x'.repeat(64))
  assert.equal(values.ConnectedVehicle, undefined)
  assert.deepEqual(implausible, ['Uid'])
})

describe('JSON that is not ChargeData is a bad answer', () => {
  const table: [name: string, body: string][] = [
    ['an array', JSON.stringify([good])],
    ['null', 'null'],
    ['NaN', '{"ChgState":"Idle","ActPwr":NaN}'],
    ['a number beyond doubles', '{"ChgState":"Idle","ActPwr":1e999}'],
    ['a boolean as energy', JSON.stringify({ ...good, ChgNrg: true })],
    ['a number as state', JSON.stringify({ ...good, ChgState: 3 })]
  ]
  for (const [name, body] of table) {
    test(name, async () => {
      fake.reply = replies(answer(200, body))
      await assert.rejects(open().poll(), { code: 'bad_answer' })
    })
  }
})

test('unknown fields, and wrong types in unused ones, are harmless', async () => {
  fake.reply = replies(json({ ...good, RemTime: '1440', New: { x: [1] } }))
  assert.equal((await open().poll()).values.SessionEnergy, 180)
})

test('the key is sent as it was given', async () => {
  fake.reply = replies(json(good))
  await open().poll()
  const query = '?DevKey=0042%26secret'
  assert.deepEqual(fake.paths, [`/MHCP/1.0/ChargeData${query}`, `/MHCP/1.0/DevInfo${query}`])
})

test('DevInfo is read at the start, every five minutes, and when the state turns odd', async () => {
  const charger = open()
  let err = 0
  const deviceInfo: Reply = socket => json({ Err: err, Phases: 3, Sn: 4711, Hcc3: 'V1' })(socket, '')
  const infosAfter = async (ms: number, ChgState: string) => {
    fake.paths.length = 0
    monotonicMs += ms
    fake.reply = replies(json({ ...good, ChgState }), deviceInfo)
    const { values, device } = await charger.poll()
    assert.equal(device?.serial, '4711')
    return [fake.paths.filter(path => path.includes('DevInfo')).length, values.OperationState]
  }
  assert.deepEqual(await infosAfter(0, 'Idle'), [1, 'idle'])
  assert.deepEqual(await infosAfter(10_000, 'Idle'), [0, 'idle'])
  assert.deepEqual(await infosAfter(290_000, 'Idle'), [1, 'idle'])
  err = 13
  assert.deepEqual(await infosAfter(1_000, 'Error'), [1, 'unscheduled_downtime'])
  assert.deepEqual(await infosAfter(10_000, 'Error'), [0, 'unscheduled_downtime'])
  assert.deepEqual(await infosAfter(50_000, 'Error'), [1, 'unscheduled_downtime'])
  err = 0
  assert.deepEqual(await infosAfter(60_000, 'Idle'), [1, 'idle'], 'an error code is followed until it is gone')
})

test('a charger without DevInfo is polled all the same', async () => {
  fake.reply = replies(json({ ...good, ChgState: 'Idle' }), answer(404, ''))
  const { values, device } = await open().poll()
  assert.equal(values.OperationState, 'idle')
  assert.deepEqual(device, {})
})

describe('the records of the box', () => {
  const nowMs = Date.UTC(2026, 10, 25, 12)
  const hour = 3_600
  /** Serves pages and records the requested states and ranges. */
  const box = (pages: unknown[], locTime?: number, opened: Reply = answer(200, '')) => {
    const states: (string | null)[] = []
    const ranges: [from: number, to: number][] = []
    const reply: Reply = (socket, path) => {
      const { searchParams, pathname } = new URL(path, 'http://box')
      if (pathname.endsWith('DevInfo')) return json({ LocTime: locTime })(socket, path)
      states.push(searchParams.get('State'))
      ranges.push([Number(searchParams.get('Start')), Number(searchParams.get('End'))])
      if (searchParams.get('State') === 'Read') return json(pages.shift())(socket, path)
      return opened(socket, path)
    }
    return { states, ranges, reply }
  }
  const row = (Start: number, Stop: number | null, ChgNrg: number) => ({
    Start,
    Stop,
    ChgNrg,
    ChgCosts: 1,
    Uid: '04A2'
  })

  test('are read ten at a time behind the lock, and let go of', async () => {
    const s = nowMs / 1000
    const many = Array.from({ length: 10 }, (_, i) => row(s - (20 - i) * hour, s - (19.5 - i) * hour, i))
    const { states, ranges, reply } = box([
      { RemEntries: 2, Transactions: many },
      { RemEntries: 0, Transactions: [row(s - 9 * hour, s - 8 * hour, 77), row(s - hour, 0, 5)] }
    ])
    fake.reply = reply
    const records = await open().records!(nowMs - 24 * hour * 1000, nowMs)
    assert.deepEqual(states, ['Open', 'Read', 'Read', 'Close'])
    assert.ok(ranges.every(([from, to]) => from < s - 24 * hour && to > s))
    assert.equal(records.length, 12)
    assert.deepEqual(records.slice(-2), [
      { startMs: nowMs - 9 * hour * 1000, endMs: nowMs - 8 * hour * 1000, energyWh: 77, card: '04A2' },
      { startMs: nowMs - hour * 1000, energyWh: 5, card: '04A2' }
    ])
  })

  test('F7: an empty list, a running session, and the energy under its other name', async () => {
    fake.reply = box([{ RemEntries: 0, Transactions: [] }]).reply
    assert.deepEqual(await open().records!(nowMs - 1, nowMs), [])
    fake.reply = box([{ RemEntries: 0, Transactions: [{ Start: nowMs / 1000, Stop: null, ChrNr: 9 }] }]).reply
    assert.deepEqual(await open().records!(nowMs - 1, nowMs), [{ startMs: nowMs, energyWh: 9 }])
  })

  test('are dated by the clock of the edge, however wrong the one of the box is', async () => {
    const boxNow = 1_703_263_828
    const { reply, ranges } = box([{ RemEntries: 0, Transactions: [row(boxNow - hour, boxNow, 5)] }], boxNow)
    fake.reply = reply
    const [record] = await open().records!(nowMs - 2 * hour * 1000, nowMs)
    assert.deepEqual([record?.startMs, record?.endMs], [nowMs - hour * 1000, nowMs])
    assert.ok(ranges[0]![0] < boxNow - 2 * hour && ranges[0]![1] > boxNow)
  })

  test('that do not come, or make no sense, are a fault, and the lock is let go of', async () => {
    for (const page of [{ Entries: [] }, { RemEntries: 0, Transactions: [{ Start: '1', ChgNrg: 5 }] }]) {
      const { states, reply } = box([page])
      fake.reply = reply
      await assert.rejects(open().records!(nowMs - 1, nowMs), { code: 'bad_answer' })
      assert.equal(states.at(-1), 'Close')
    }
    fake.reply = box([], undefined, answer(404, '')).reply
    await assert.rejects(open().records!(nowMs - 1, nowMs), { code: 'wrong_api' })
  })

  test('end, whatever the box says is left', async () => {
    fake.reply = box([
      { RemEntries: 5, Transactions: [row(1, 2, 3)] },
      { RemEntries: 5, Transactions: [] }
    ]).reply
    assert.equal((await open().records!(nowMs - 1, nowMs)).length, 1)
  })
})

test('after a failed poll DevInfo is read again: another box may stand there', async () => {
  const charger = open()
  fake.reply = replies(json(good))
  assert.equal((await charger.poll()).device?.serial, '4711')
  fake.reply = replies(answer(500, ''))
  await assert.rejects(charger.poll())
  fake.reply = replies(json(good), json({ Sn: 4712 }))
  assert.equal((await charger.poll()).device?.serial, '4712')
})
