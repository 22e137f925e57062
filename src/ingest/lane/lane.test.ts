import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Newest } from '../../model/server/admission.ts'
import { packetBytesMax } from '../../model/server/limits.ts'
import type { Batch } from '../batch.ts'
import { batchAgeMaxMs, batchBytesMax, batchMessagesMax } from '../limits.ts'
import { type BatchKept, type BatchResult, committed, kept, late, rejected } from '../outcome.ts'
import { FakeSource, messageIn, runIn, unpacked } from '../testing/messages.ts'
import { Lane } from './lane.ts'
import { batchMessagesLarge } from './limits.ts'

const newest: Newest = { topics: [], timesUs: new Float64Array(), payloads: [] }
const away: BatchKept = { retry: { code: '57P01', message: 'the database is away' } }

const storedAll = (count: number): BatchResult => stored(new Uint8Array(count).fill(committed))
const stored = (outcomes: Uint8Array): BatchResult => ({
  outcomes,
  rejectedByCode: {},
  newest,
  rows: 1,
  lateIdentities: []
})

/** One call of `store`: copies of its arguments, and the function that answers it. */
interface Call {
  readonly id: string
  readonly sealedAtMs: number
  readonly payloads: readonly string[]
  readonly answer: (result: BatchResult | BatchKept) => Promise<void>
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 5_000
  while (!condition()) {
    assert.ok(Date.now() < endMs, 'waited too long')
    await turn()
  }
}

class LaneBench {
  readonly lane: Lane
  readonly calls: Call[] = []
  /** The events in order: `stored`, `kept`, `committed`. */
  readonly events: string[] = []
  nowMs = 1_000
  admittedBytes = 0
  settledBytes = 0
  readonly handedOn: string[] = []
  /** The wait of each acknowledged run, and the number of its messages. */
  readonly waits: [seconds: number, messages: number][] = []
  readonly #timers: TestContext['mock']['timers']

  constructor(t: TestContext) {
    this.#timers = t.mock.timers
    this.#timers.enable({ apis: ['setTimeout'] })
    // The pause before a retry runs on real timers. This makes it as short as possible.
    t.mock.method(Math, 'random', () => 0)
    this.lane = new Lane({
      store: batch => this.#store(batch),
      now: () => this.nowMs,
      report: {
        stored: (result, seconds, batch) =>
          this.events.push(`stored ${result.outcomes.length} of ${batch.count} in ${seconds} s`),
        kept: ({ code }, attempt) => this.events.push(`kept ${code} ${attempt}`),
        acknowledged: (batch, outcomes) =>
          batch.eachWait(performance.now(), outcomes, (...wait) => this.waits.push(wait))
      },
      settled: (batch, { outcomes }) => this.#settled(batch, outcomes),
      committed: () => this.events.push('committed')
    })
    t.after(() => this.lane.stop())
  }

  admit(source: FakeSource, messageId: number, payload = `p${messageId}`): void {
    const message = { topic: `chargers/${source.identity.name}/V`, payload, dup: messageId % 2 === 0 }
    this.admittedBytes += this.lane.admit(source, runIn(message, messageId))
  }

  admitAll(source: FakeSource, from: number, to: number): void {
    for (let id = from; id <= to; id++) this.admit(source, id)
  }

  age(ms = batchAgeMaxMs): void {
    this.#timers.tick(ms)
  }

  get call(): Call {
    return this.calls.at(-1)!
  }

  #settled(batch: Batch, outcomes: Uint8Array): void {
    this.settledBytes += batch.used
    batch.each(
      index => outcomes[index] === late,
      (source, run) => {
        const { ticket, dup, topic, payload } = messageIn(run)
        this.handedOn.push(`${source.identity.name} ${ticket} ${dup} ${topic} ${payload}`)
      }
    )
  }

  #store(batch: Batch): Promise<BatchResult | BatchKept> {
    const payloads = unpacked(batch.pack()).map(({ payload }) => payload.toString())
    const { promise, resolve } = Promise.withResolvers<BatchResult | BatchKept>()
    const answer = (result: BatchResult | BatchKept): Promise<void> => {
      resolve(result)
      return turn()
    }
    this.calls.push({ id: batch.id, sealedAtMs: batch.sealedAtMs, payloads, answer })
    return promise
  }
}

// --- sealing

test('a batch is sealed when its first message has the age, not before and not later', t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admit(source, 1)
  bench.age(batchAgeMaxMs - 1)
  bench.admit(source, 2)
  assert.equal(bench.calls.length, 0)
  bench.nowMs = 5_000
  bench.age(1)
  assert.equal(bench.calls.length, 1)
  assert.deepEqual(bench.call.payloads, ['p1', 'p2'])
  assert.equal(bench.call.sealedAtMs, 5_000)
})

test('a batch is sealed at its count without waiting for its age', t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admitAll(source, 1, batchMessagesMax - 1)
  assert.equal(bench.calls.length, 0)
  bench.admit(source, batchMessagesMax)
  assert.equal(bench.call.payloads.length, batchMessagesMax)
})

test('a batch is sealed by its bytes without waiting for its age', t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  const payload = 'x'.repeat(60_000)
  for (let id = 1; bench.calls.length === 0; id++) bench.admit(source, id, payload)
  const bytes = bench.call.payloads.length * 60_000
  assert.ok(bytes <= batchBytesMax && bytes > batchBytesMax - 2 * packetBytesMax, `${bytes}`)
})

test('every batch has an id of its own', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  for (let id = 1; id <= 3; id++) {
    bench.admit(source, id)
    bench.age()
    await bench.call.answer(storedAll(1))
  }
  assert.equal(new Set(bench.calls.map(({ id }) => id)).size, 3)
  for (const { id } of bench.calls) assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
})

// --- one batch in flight

test('one batch is in flight: what gathers meanwhile is the next one, at once and in order', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admit(source, 1)
  bench.age()
  bench.admitAll(source, 2, 4)
  bench.age(10 * batchAgeMaxMs)
  await turn()
  assert.equal(bench.calls.length, 1)
  await bench.call.answer(storedAll(1))
  assert.equal(bench.calls.length, 2)
  assert.deepEqual(bench.call.payloads, ['p2', 'p3', 'p4'])
  await bench.call.answer(storedAll(3))
  assert.deepEqual(source.told, [1, 'ack', 2, 3, 4, 'ack'])
})

test('more than a batch holds gathers in several, none above its count, all in order', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admit(source, 1)
  bench.age()
  bench.admitAll(source, 2, 2 * batchMessagesMax + 2)
  const counts = []
  for (let n = 1; n <= 4; n++) {
    if (n === 4) bench.age()
    assert.equal(bench.calls.length, n)
    counts.push(bench.call.payloads.length)
    await bench.call.answer(storedAll(bench.call.payloads.length))
  }
  assert.deepEqual(counts, [1, batchMessagesMax, batchMessagesMax, 1])
  assert.deepEqual(
    source.told.filter(told => told !== 'ack'),
    Array.from({ length: 2 * batchMessagesMax + 2 }, (_, i) => i + 1)
  )
  assert.equal(bench.lane.backlog, 0)
})

test('little after much waits for its age, half as much does not; little after little is stored at once', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  const next = async (count: number, more: number): Promise<void> => {
    assert.equal(bench.call.payloads.length, count)
    bench.admitAll(source, 1, more)
    await bench.call.answer(storedAll(count))
  }
  bench.admitAll(source, 1, batchMessagesLarge)
  bench.age()
  await next(batchMessagesLarge, batchMessagesLarge / 2)
  await next(batchMessagesLarge / 2, 1)
  await next(1, batchMessagesLarge)
  await next(batchMessagesLarge, batchMessagesLarge / 2 - 1)
  assert.equal(bench.calls.length, 4)
  bench.admit(source, 1)
  assert.equal(bench.calls.length, 4)
  bench.age()
  await next(batchMessagesLarge / 2, 0)
  assert.equal(bench.calls.length, 5)
  assert.equal(bench.lane.backlog, 0)
})

test('a drain waits for nobody: little after much is stored at once', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admitAll(source, 1, batchMessagesLarge)
  bench.age()
  bench.admit(source, 1)
  const drain = bench.lane.drain()
  await bench.call.answer(storedAll(batchMessagesLarge))
  assert.equal(bench.calls.length, 2)
  await bench.call.answer(storedAll(1))
  await drain
  assert.equal(bench.lane.backlog, 0)
})

// --- settling

test('nothing is settled before the database has answered', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admit(source, 1)
  bench.age()
  await turn()
  assert.deepEqual(source.told, [])
})

test('each message is settled once and in admission order, then each connection acknowledges once, then what advanced is told', async t => {
  const bench = new LaneBench(t)
  const [a, b] = [new FakeSource('a'), new FakeSource('b')]
  a.onAcknowledge = () => bench.events.push(`a told ${a.told.length}, b told ${b.told.length}`)
  for (const [source, id] of [
    [a, 5],
    [b, 1],
    [a, 0],
    [a, 4],
    [b, 2]
  ] as const) {
    bench.admit(source, id)
  }
  bench.age()
  bench.nowMs += 250
  await bench.call.answer(storedAll(5))
  assert.deepEqual(a.told, [5, 0, 4, 'ack'])
  assert.deepEqual(b.told, [1, 2, 'ack'])
  assert.deepEqual(bench.events, ['stored 5 of 5 in 0.25 s', 'a told 4, b told 2', 'committed'])
})

test('a rejected message is settled like a committed one', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admitAll(source, 1, 3)
  bench.age()
  await bench.call.answer(stored(Uint8Array.of(committed, rejected, rejected)))
  assert.deepEqual(source.told, [1, 2, 3, 'ack'])
})

test('what a connection admits from within its acknowledgement is not lost', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  source.onAcknowledge = () => {
    source.onAcknowledge = () => {}
    bench.admit(source, 2)
  }
  bench.admit(source, 1)
  bench.age()
  await bench.call.answer(storedAll(1))
  bench.age()
  assert.deepEqual(bench.call.payloads, ['p2'])
  await bench.call.answer(storedAll(1))
  assert.deepEqual(source.told, [1, 'ack', 2, 'ack'])
})

// --- keeping

test('a kept batch is tried again with the same id, the same bytes and the same time, and nothing is settled', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admitAll(source, 1, 2)
  bench.age()
  await bench.call.answer(away)
  bench.admit(source, 3)
  bench.nowMs += 1_000
  await until(() => bench.calls.length === 2)
  await bench.call.answer(away)
  await until(() => bench.calls.length === 3)
  const [first, ...again] = bench.calls.map(({ answer, ...call }) => call)
  for (const call of again) assert.deepEqual(call, first)
  assert.deepEqual(source.told, [])
  await bench.call.answer(storedAll(2))
  assert.deepEqual(source.told, [1, 2, 'ack'])
  assert.deepEqual(bench.call.payloads, ['p3'])
  assert.deepEqual(bench.events.slice(0, 3), ['kept 57P01 1', 'kept 57P01 2', 'stored 2 of 2 in 0 s'])
})

const forgetful: [string, Uint8Array][] = [
  ['one kept', Uint8Array.of(committed, kept, committed)],
  ['all kept', new Uint8Array(3)],
  ['one too few', Uint8Array.of(committed, committed)],
  ['none', new Uint8Array()],
  ['one too many', Uint8Array.of(committed, committed, committed, committed)]
]
for (const [what, outcomes] of forgetful) {
  test(`an answer that forgets an outcome (${what}) keeps the whole batch`, async t => {
    const bench = new LaneBench(t)
    const source = new FakeSource('c1')
    bench.admitAll(source, 1, 3)
    bench.age()
    await bench.call.answer(stored(outcomes))
    assert.deepEqual(source.told, [])
    assert.deepEqual(bench.events, ['kept forgotten 1'])
    await until(() => bench.calls.length === 2)
    await bench.call.answer(storedAll(3))
    assert.deepEqual(source.told, [1, 2, 3, 'ack'])
  })
}

test('what is handed on is neither settled nor acknowledged here, and handed on as it was admitted', async t => {
  const bench = new LaneBench(t)
  const [one, two] = [new FakeSource('c1'), new FakeSource('c2')]
  bench.admit(one, 1)
  bench.admit(two, 2)
  bench.admit(one, 3)
  bench.admit(two, 4)
  bench.age()
  await bench.call.answer(stored(Uint8Array.of(committed, late, committed, late)))
  assert.deepEqual([one.told, two.told], [[1, 3, 'ack'], []])
  assert.deepEqual(bench.handedOn, ['c2 2 true chargers/c2/V p2', 'c2 4 true chargers/c2/V p4'])
  assert.equal(bench.lane.backlog, 0)
})

// --- counting

test('the backlog counts what is admitted and not settled, in messages and bytes, also while it is kept', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  const backlog = () => [bench.lane.backlog, bench.admittedBytes - bench.settledBytes]
  const [runHeader, fixedHeader, topicLength, messageId] = [8, 4, 2, 2]
  const bytesOf = (payload: number) =>
    runHeader + fixedHeader + topicLength + 'chargers/c1/V'.length + messageId + payload
  assert.deepEqual(backlog(), [0, 0])
  bench.admit(source, 1, 'x'.repeat(100))
  bench.admit(source, 2, '')
  assert.deepEqual(backlog(), [2, bytesOf(100) + bytesOf(0)])
  bench.age()
  bench.admit(source, 3, 'y')
  await bench.call.answer(away)
  assert.deepEqual(backlog(), [3, bytesOf(100) + bytesOf(0) + bytesOf(1)])
  await until(() => bench.calls.length === 2)
  await bench.call.answer(storedAll(2))
  assert.deepEqual(backlog(), [1, bytesOf(1)])
  await bench.call.answer(storedAll(1))
  assert.deepEqual(backlog(), [0, 0])
})

// --- the end

test('drain stores what is open at once, and resolves when all is settled', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admitAll(source, 1, 2)
  let drained = false
  const drain = bench.lane.drain().then(() => {
    drained = true
  })
  assert.deepEqual(bench.call.payloads, ['p1', 'p2'])
  bench.admit(source, 3)
  await bench.call.answer(storedAll(2))
  assert.equal(drained, false)
  assert.deepEqual(bench.call.payloads, ['p3'])
  await bench.call.answer(storedAll(1))
  await drain
  assert.deepEqual(source.told, [1, 2, 'ack', 3, 'ack'])
})

test('drain while a batch is in flight starts no second one beside it', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admit(source, 1)
  bench.age()
  bench.admit(source, 2)
  const drain = bench.lane.drain()
  await turn()
  assert.equal(bench.calls.length, 1)
  await bench.call.answer(storedAll(1))
  await bench.call.answer(storedAll(1))
  await drain
  assert.deepEqual(source.told, [1, 'ack', 2, 'ack'])
})

test('drain of an empty lane, once or twice, resolves', async t => {
  const bench = new LaneBench(t)
  await Promise.all([bench.lane.drain(), bench.lane.drain()])
  await bench.lane.drain()
  assert.equal(bench.calls.length, 0)
})

test('a drained lane goes on with what is admitted later', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  await bench.lane.drain()
  bench.admit(source, 1)
  bench.age()
  await bench.call.answer(storedAll(1))
  assert.deepEqual(source.told, [1, 'ack'])
})

test('stop gives up a batch that is kept: drain resolves, nothing is settled, nothing is tried again', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admit(source, 1)
  const drain = bench.lane.drain()
  void bench.call.answer(away)
  // Only microtasks run here, so the pause before the next attempt, which is a real timer, cannot end meanwhile.
  for (let i = 0; i < 100 && bench.events.length === 0; i++) await undefined
  assert.deepEqual(bench.events, ['kept 57P01 1'])
  bench.lane.stop()
  await drain
  assert.equal(bench.calls.length, 1)
  assert.deepEqual(source.told, [])
  assert.equal(bench.lane.backlog, 1)
  await bench.lane.drain()
  assert.equal(bench.calls.length, 1)
})

test('stop while the database works: its answer still counts, and what waits behind it is not started', async t => {
  const bench = new LaneBench(t)
  const source = new FakeSource('c1')
  bench.admit(source, 1)
  bench.age()
  bench.admit(source, 2)
  bench.lane.stop()
  await bench.call.answer(storedAll(1))
  assert.deepEqual(source.told, [1, 'ack'])
  assert.equal(bench.calls.length, 1)
  assert.equal(bench.lane.backlog, 1)
})

// --- reports on the waiting

test('how long each run waited is told after its acknowledgement, for what was not handed on', async t => {
  const bench = new LaneBench(t)
  const [first, second] = [new FakeSource('c1'), new FakeSource('c2')]
  const startedMs = performance.now()
  bench.admitAll(first, 1, 3)
  bench.admit(second, 4)
  let whenAcknowledged: number | undefined
  second.onAcknowledge = () => {
    whenAcknowledged = bench.waits.length
  }
  bench.age()
  await turn()
  await bench.call.answer(stored(Uint8Array.from([committed, late, rejected, committed])))
  const longestSeconds = (performance.now() - startedMs) / 1000
  assert.equal(whenAcknowledged, 0)
  assert.equal(bench.waits.length, 3, 'the run that was handed on goes on waiting')
  for (const [seconds, messages] of bench.waits) {
    assert.equal(messages, 1)
    assert.ok(seconds > 0 && seconds <= longestSeconds, `${seconds} s`)
  }
})
