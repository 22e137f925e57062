import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, afterEach, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { answer, type FakeCharger, json, type Reply, raw, startFakeCharger } from '../testing/fakeCharger.ts'
import type { Charger, ChargerOptions, PollFault } from './charger.ts'
import { PollError } from './charger.ts'
import { mapAnswer, mennekesAmtron } from './mennekesAmtron.ts'

const devKey = '0042&secret'
const folder = new URL('./fixtures/', import.meta.url)
const fixtures = readdirSync(folder).map(file => ({ file, ...JSON.parse(readFileSync(new URL(file, folder), 'utf8')) }))
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
  const clock = { nowMs: () => 1_800_000_000_000, monotonicMs: () => monotonicMs }
  const charger = mennekesAmtron({ url: fake.url, devKey, clock, timeoutMs: 2_000, ...options })
  opened.push(charger)
  return charger
}

/** ChargeData gets this, DevInfo something else. */
const replies =
  (chargeData: Reply, deviceInfo: Reply = json({ Err: 0, Phases: 3, Sn: 4711 })): Reply =>
  (socket, path) =>
    (path.includes('/DevInfo') ? deviceInfo : chargeData)(socket, path)

describe('fixtures: what a box said becomes exactly these values', () => {
  for (const { file, chargeData, deviceInfo, values, session, implausible } of fixtures) {
    test(file, async () => {
      fake.reply = replies(json(chargeData), json(deviceInfo ?? {}))
      const sample = await open().poll()
      assert.deepEqual(sample.values, values)
      assert.deepEqual(sample.session, session)
      assert.deepEqual(sample.implausible, implausible)
      assert.equal(sample.arrivedMs, 1_800_000_000_000)
    })
  }
})

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

const drip: Reply = socket => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
  const timer = setInterval(() => socket.write(' '), 10)
  socket.on('close', () => clearInterval(timer))
}
const body = JSON.stringify(good)
const framed = (text: string, headers = '') => `HTTP/1.1 200 OK\r\n${headers}\r\n${text}`

describe('a charger that misbehaves gives a named fault, and the next poll works', () => {
  const faults: [name: string, fault: PollFault, reply: Reply][] = [
    ['hangs', 'timeout', () => {}],
    ['sends headers and hangs', 'timeout', socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n')],
    ['drips', 'timeout', drip],
    ['wrong key: 403', 'forbidden', answer(403, '')],
    ['wrong key: 401', 'forbidden', answer(401, '')],
    ['404', 'wrong_api', answer(404, 'Not Found')],
    ['400', 'wrong_api', answer(400, '')],
    ['500', 'bad_answer', answer(500, body)],
    ['204', 'wrong_api', raw('HTTP/1.1 204 No Content\r\n\r\n')],
    ['redirects to itself', 'wrong_api', answer(302, '', 'location: /MHCP/1.0/ChargeData\r\n')],
    ['a web page', 'wrong_api', answer(200, '<!DOCTYPE html><html></html>', 'content-type: text/html\r\n')],
    ['another JSON API', 'wrong_api', json({ car: 2, nrg: [] })],
    ['empty 200', 'bad_answer', answer(200, '')],
    ['half JSON', 'bad_answer', answer(200, body.slice(0, 40))],
    ['an array', 'bad_answer', json([good])],
    ['null', 'bad_answer', json(null)],
    ['NaN', 'bad_answer', answer(200, '{"ChgState":"Idle","ActPwr":NaN}')],
    ['a number beyond doubles', 'bad_answer', answer(200, '{"ChgState":"Idle","ActPwr":1e999}')],
    ['numbers as texts', 'bad_answer', json({ ...good, ActPwr: '11000' })],
    ['a boolean as energy', 'bad_answer', json({ ...good, ChgNrg: true })],
    ['a number as state', 'bad_answer', json({ ...good, ChgState: 3 })],
    ['gzip that nobody asked for', 'bad_answer', answer(200, gzipSync(body), 'content-encoding: gzip\r\n')],
    ['a body over 256 KB', 'bad_answer', answer(200, `${body}${' '.repeat(300_000)}`)],
    ['resets', 'bad_answer', socket => socket.resetAndDestroy()],
    [
      'resets within the body',
      'bad_answer',
      socket => socket.write(framed(body.slice(0, 9), 'content-length: 99\r\n'), () => socket.resetAndDestroy())
    ],
    ['closes before the answer', 'bad_answer', raw('')],
    ['closes within the body', 'bad_answer', raw(framed(body.slice(0, 50), 'content-length: 500\r\n'))],
    ['garbage chunks', 'bad_answer', raw(framed('zz\r\nfoo', 'transfer-encoding: chunked\r\n'))],
    ['no HTTP at all', 'bad_answer', raw('SSH-2.0-dropbear\r\n')],
    ['headers without end', 'bad_answer', raw(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n`)]
  ]
  for (const [name, fault, reply] of faults) {
    test(name, async () => {
      fake.reply = replies(reply)
      const charger = open({ timeoutMs: fault === 'timeout' ? 300 : 2_000 })
      await assert.rejects(charger.poll(), error => {
        assert.ok(error instanceof PollError)
        assert.equal(error.code, fault)
        assert.doesNotMatch(`${error.message} ${error.stack}`, /secret|0042/)
        return true
      })
      assert.equal(fake.paths.filter(path => path.includes('ChargeData')).length, 1, 'asked once, followed nothing')
      fake.reply = replies(json(good))
      assert.equal((await charger.poll()).values.PowerOutput, 11_000)
    })
  }

  test('nobody listens', async () => {
    const gone = await startFakeCharger(json(good))
    await gone.stop()
    await assert.rejects(open({ url: gone.url }).poll(), { code: 'refused' })
    await assert.rejects(open({ url: 'http://charger.invalid' }).poll(), { code: 'refused' })
  })

  const harmless: [name: string, reply: Reply][] = [
    ['a byte order mark', answer(200, `\uFEFF${body}`)],
    ['no content type and no length', raw(framed(body))],
    ['an odd content type', answer(200, body, 'content-type: text/html; charset=iso-8859-1\r\n')],
    ['chunks', raw(framed(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`, 'transfer-encoding: chunked\r\n'))],
    ['a connection that is closed although kept alive', answer(200, body, 'connection: keep-alive\r\n')],
    ['HTTP/1.0', raw(`HTTP/1.0 200 OK\r\n\r\n${body}`)],
    ['unknown fields and wrong types in unused ones', json({ ...good, RemTime: '1440', New: { x: [1] } })]
  ]
  for (const [name, reply] of harmless) {
    test(`harmless: ${name}`, async () => {
      fake.reply = replies(reply)
      const charger = open()
      for (let poll = 0; poll < 2; poll++) assert.equal((await charger.poll()).values.SessionEnergy, 180)
    })
  }
})

test('the key is sent as it was given, and two requests never overlap', async () => {
  const box = await startFakeCharger(replies(json(good)))
  await open({ url: `${box.url}/box` }).poll()
  const query = '?DevKey=0042%26secret'
  assert.deepEqual(box.paths, [`/box/MHCP/1.0/ChargeData${query}`, `/box/MHCP/1.0/DevInfo${query}`])
  assert.equal(box.overlap(), 1)
  await box.stop()
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

test('close ends a poll that hangs', async () => {
  fake.reply = () => {}
  const charger = open()
  const poll = charger.poll()
  await Promise.all([assert.rejects(poll, PollError), charger.close()])
})
