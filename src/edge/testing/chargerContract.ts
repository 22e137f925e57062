// The contract of every driver. Each fixture becomes exactly its values or its fault. A charger that misbehaves on the
// wire causes a named fault, is asked once, and is understood again at the next poll.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, afterEach, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Charger, ChargerDriver, ChargerOptions, PollFault } from '../chargers/charger.ts'
import { PollError } from '../chargers/charger.ts'
import { answer, type FakeCharger, type Reply, raw, startFakeCharger } from './fakeCharger.ts'

/** The answer of a box and its meaning. Times and all other members depend on the driver. */
export interface Fixture {
  readonly source: string
  /** The body of the answer to a poll. Default: the result of `bodyOf` for the fixture. */
  readonly body?: string
  readonly status?: number
  readonly values?: object
  readonly session?: object
  readonly implausible?: readonly string[]
  readonly fault?: PollFault
}

export interface Contract {
  readonly driver: ChargerDriver
  /** The folder of the fixtures. */
  readonly fixtures: URL
  readonly bodyOf: (fixture: Fixture & Readonly<Record<string, unknown>>) => string
  /** The path of the request that every poll needs. */
  readonly call: string
  /** Answers the other requests of a driver. */
  readonly others?: (fixture: Partial<Fixture> & Readonly<Record<string, unknown>>) => Reply
  /** A good answer and the power in it. */
  readonly good: { readonly body: string; readonly powerWatts: number }
}

const devKey = '0042&secret'
/** Stands for a box that takes 25 s while a poll has 15 s. Both times are scaled down. */
const timeoutMs = 300
const lateMs = 500

export function chargerContract({ driver, fixtures, bodyOf, call, others, good }: Contract): void {
  let fake: FakeCharger
  const opened: Charger[] = []
  before(async () => {
    fake = await startFakeCharger(answer(200, good.body))
  })
  after(() => fake.stop())
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(charger => charger.close()))
    fake.paths.length = 0
  })

  const open = (options: Partial<ChargerOptions> = {}): Charger => {
    const clock = { monotonicMs: () => 7 }
    const charger = driver({ url: fake.url, devKey, clock, timeoutMs: 2_000, ...options })
    opened.push(charger)
    return charger
  }
  const replies =
    (reply: Reply, fixture: Partial<Fixture> = {}): Reply =>
    (socket, path) =>
      (path.includes(call) ? reply : (others?.(fixture) ?? answer(404, '')))(socket, path)

  describe('fixtures: what a box said becomes exactly these values, or this fault', () => {
    for (const file of readdirSync(fixtures)) {
      const fixture: Fixture = JSON.parse(readFileSync(new URL(file, fixtures), 'utf8'))
      test(file, async () => {
        fake.reply = replies(answer(fixture.status ?? 200, fixture.body ?? bodyOf({ ...fixture })), fixture)
        if (fixture.fault !== undefined) return assert.rejects(open().poll(), { code: fixture.fault })
        const sample = await open().poll()
        assert.deepEqual(sample.values, fixture.values)
        assert.deepEqual(sample.session, fixture.session)
        assert.deepEqual(sample.implausible, fixture.implausible)
        assert.equal(sample.arrivedMonotonicMs, 7)
      })
    }
  })

  describe('a charger that misbehaves gives a named fault, and the next poll works', () => {
    for (const [name, fault, reply] of wireFaults(good.body, lateMs)) {
      test(name, async () => {
        fake.reply = replies(reply)
        const charger = open({ timeoutMs: fault === 'timeout' ? timeoutMs : 2_000 })
        await assert.rejects(charger.poll(), error => {
          assert.ok(error instanceof PollError)
          assert.equal(error.code, fault)
          assert.doesNotMatch(`${error.message} ${error.stack}`, /secret|0042/)
          return true
        })
        assert.equal(fake.paths.filter(path => path.includes(call)).length, 1, 'asked once, followed nothing')
        fake.reply = replies(answer(200, good.body))
        assert.equal((await charger.poll()).values.PowerOutput, good.powerWatts)
      })
    }

    test('a text that is no answer of any API', async () => {
      fake.reply = replies(answer(200, 'no such page'))
      const charger = open()
      await assert.rejects(charger.poll(), error => {
        assert.ok(error instanceof PollError, String(error))
        assert.match(error.code, /^(wrong_api|bad_answer)$/)
        return true
      })
      fake.reply = replies(answer(200, good.body))
      assert.equal((await charger.poll()).values.PowerOutput, good.powerWatts)
    })

    test('nobody listens', async () => {
      const gone = await startFakeCharger(answer(200, ''))
      await gone.stop()
      await assert.rejects(open({ url: gone.url }).poll(), { code: 'refused' })
      await assert.rejects(open({ url: 'http://charger.invalid' }).poll(), { code: 'refused' })
    })

    for (const [name, reply] of harmless(good.body)) {
      test(`harmless: ${name}`, async () => {
        fake.reply = replies(reply)
        const charger = open()
        for (let poll = 0; poll < 2; poll++) {
          assert.equal((await charger.poll()).values.PowerOutput, good.powerWatts)
        }
      })
    }
  })

  test('two requests never overlap, and a path before the API is kept', async () => {
    const box = await startFakeCharger(replies(answer(200, good.body)))
    await open({ url: `${box.url}/box` }).poll()
    assert.ok(box.paths.every(path => path.startsWith('/box/')))
    assert.equal(box.overlap(), 1)
    await box.stop()
  })

  test('close ends a poll that hangs', async () => {
    fake.reply = () => {}
    const charger = open()
    const poll = charger.poll()
    await Promise.all([assert.rejects(poll, PollError), charger.close()])
  })
}

const framed = (text: string, headers = '') => `HTTP/1.1 200 OK\r\n${headers}\r\n${text}`

const drip: Reply = socket => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
  const timer = setInterval(() => socket.write(' '), 10)
  socket.on('close', () => clearInterval(timer))
}

export type WireFault = readonly [name: string, fault: PollFault, reply: Reply]

/** The faults on the wire that any API can have. `body` is a good answer. `lateMs` is longer than a poll waits. */
export const wireFaults = (body: string, lateMs: number): readonly WireFault[] => [
  ['hangs', 'timeout', () => {}],
  ['sends headers and hangs', 'timeout', socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n')],
  ['drips', 'timeout', drip],
  ['answers much too late', 'timeout', late(body, lateMs)],
  ['403', 'forbidden', answer(403, '')],
  ['401', 'forbidden', answer(401, '')],
  ['404', 'wrong_api', answer(404, 'Not Found')],
  ['400', 'wrong_api', answer(400, '')],
  ['500', 'bad_answer', answer(500, body)],
  ['204', 'wrong_api', raw('HTTP/1.1 204 No Content\r\n\r\n')],
  ['redirects to itself', 'wrong_api', answer(302, '', 'location: /MHCP/1.0/ChargeData\r\n')],
  ['a web page', 'wrong_api', answer(200, '<!DOCTYPE html><html></html>', 'content-type: text/html\r\n')],
  ['another JSON API', 'wrong_api', answer(200, '{"car":2,"nrg":[]}')],
  ['empty 200', 'bad_answer', answer(200, '')],
  ['a body over 256 KB', 'bad_answer', answer(200, `${body}${' '.repeat(300_000)}`)],
  ['resets', 'bad_answer', socket => socket.resetAndDestroy()],
  [
    'resets within the body',
    'bad_answer',
    socket => socket.write(framed(body.slice(0, 9), 'content-length: 99\r\n'), () => socket.resetAndDestroy())
  ],
  ['closes before the answer', 'bad_answer', raw('')],
  ['closes within the body', 'bad_answer', raw(framed(body.slice(0, 40), 'content-length: 500\r\n'))],
  ['garbage chunks', 'bad_answer', raw(framed('zz\r\nfoo', 'transfer-encoding: chunked\r\n'))],
  ['no HTTP at all', 'bad_answer', raw('SSH-2.0-dropbear\r\n')],
  ['headers without end', 'bad_answer', raw(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n`)],
  ['gzip that nobody asked for', 'bad_answer', answer(200, gzipSync(body), 'content-encoding: gzip\r\n')]
]

const late =
  (body: string, lateMs: number): Reply =>
  (socket, path) => {
    const timer = setTimeout(() => answer(200, body)(socket, path), lateMs)
    socket.on('close', () => clearTimeout(timer))
  }

/** Unusual answers that are valid. */
const harmless = (body: string): readonly (readonly [name: string, reply: Reply])[] => [
  ['a byte order mark', answer(200, `\uFEFF${body}`)],
  ['no content type and no length', raw(framed(body))],
  ['an odd content type', answer(200, body, 'content-type: text/html; charset=iso-8859-1\r\n')],
  ['chunks', raw(framed(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`, 'transfer-encoding: chunked\r\n'))],
  ['a connection that is closed although kept alive', answer(200, body, 'connection: keep-alive\r\n')],
  ['HTTP/1.0', raw(`HTTP/1.0 200 OK\r\n\r\n${body}`)]
]
