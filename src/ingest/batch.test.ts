import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchBytesMax, batchMessagesMax, packetBytesMax, topicBytesMax } from '../model/limits.ts'
import { below, pick, seededRandom } from '../model/testing/random.ts'
import { Batch, Records } from './batch.ts'
import { FakeSource, type Message, ranges, telemetry, unpacked } from './testing/messages.ts'

test('what is packed unpacks to the same messages in the same order', () => {
  const random = seededRandom(10)
  const sources = ['c1', 'c2', 'c3'].map(name => new FakeSource(name))
  const batch = new Batch()
  const expected = []
  for (let id = 0; id < 1_000; id++) {
    const source = pick(random, sources)
    const payload = Buffer.from(Array.from({ length: below(random, 400) }, () => below(random, 256)))
    const message = { topic: `chargers/${source.identity.name}/${'V'.repeat(1 + below(random, 64))}`, payload }
    const dup = random() < 0.3
    batch.add(source, telemetry(id, dup ?? false, ...ranges(message)))
    expected.push({ ...message, dup, name: source.identity.name })
  }
  const found = unpacked(batch.pack()).map(({ identity, ...rest }) => ({ ...rest, name: batch.identities[identity] }))
  assert.deepEqual(found, expected)
  assert.equal(batch.count, 1_000)
})

const longest: Message = {
  topic: `chargers/c1/${'x'.repeat(topicBytesMax - 12)}`,
  payload: Buffer.alloc(packetBytesMax - 2 - topicBytesMax, 0xee)
}
const extremes: [string, Message][] = [
  ['the longest packet', longest],
  ['an empty payload', { topic: 'chargers/c1/V', payload: '' }],
  ['lengths around a byte', { topic: 't'.repeat(255), payload: 'p'.repeat(256) }],
  ['lengths around a byte, the other way', { topic: 't'.repeat(256), payload: 'p'.repeat(255) }]
]
test('the extremes of length are packed whole', () => {
  for (const [what, message] of extremes) {
    const batch = new Batch()
    const neighbour = { topic: 'chargers/c1/V', payload: 'neighbour' }
    for (const each of [message, neighbour]) batch.add(new FakeSource('c1'), telemetry(1, false, ...ranges(each)))
    const [first, second] = unpacked(batch.pack())
    assert.equal(first!.topic, message.topic, what)
    assert.deepEqual(first!.payload, Buffer.from(message.payload as string), what)
    assert.equal(second!.payload.toString(), 'neighbour', what)
  }
})

test('records are numbered from 0', () => {
  const batch = new Batch()
  const message = ranges({ topic: 'chargers/c1/V', payload: '' })
  for (let id = 0; id < 3; id++) batch.add(new FakeSource('c1'), telemetry(id, false, ...message))
  const records = new Records(batch.pack())
  assert.deepEqual([records.next() && records.index, records.next() && records.index], [0, 1])
  assert.deepEqual([records.next(), records.next(), records.next()], [true, false, false])
})

test('an empty batch unpacks to nothing', () => {
  assert.deepEqual(unpacked(new Batch().pack()), [])
})

test('whom to answer is kept per message, and identities are numbered as they first appear', () => {
  const batch = new Batch()
  const [a, b] = [new FakeSource('a'), new FakeSource('b')]
  const again = new FakeSource('a')
  const message = ranges({ topic: 'chargers/a/V', payload: '1' })
  for (const [source, id] of [
    [a, 7],
    [a, 0],
    [b, 65_535],
    [a, 0x1_0007],
    [again, 8]
  ] as const) {
    batch.add(source, telemetry(id, false, ...message))
  }
  assert.deepEqual(batch.identities, ['a', 'b'])
  assert.deepEqual(
    unpacked(batch.pack()).map(({ identity }) => identity),
    [0, 0, 1, 0, 0]
  )
  assert.deepEqual(batch.tickets, [7, 0, 65_535, 0x1_0007, 8])
  assert.deepEqual(batch.sources, [a, a, b, a, again])
})

test('as many identities as messages fit', () => {
  const batch = new Batch()
  const message = ranges({ topic: 'chargers/a/V', payload: '1' })
  for (let i = 0; i < batchMessagesMax; i++) batch.add(new FakeSource(`c${i}`), telemetry(1, false, ...message))
  const numbers = unpacked(batch.pack()).map(({ identity }) => identity)
  assert.ok(numbers.every((number, i) => number === i))
  assert.equal(batch.identities[batchMessagesMax - 1], `c${batchMessagesMax - 1}`)
})

test('the chunk may be overwritten after the message was added', () => {
  const batch = new Batch()
  const [chunk, ...at] = ranges({ topic: 'chargers/a/V', payload: '123' })
  batch.add(new FakeSource('a'), telemetry(1, false, chunk, ...at))
  chunk.fill(0)
  assert.equal(unpacked(batch.pack())[0]!.payload.toString(), '123')
})

test('the packed bytes are a copy: the batch keeps its own, packs the same again, and may be filled on', () => {
  const batch = new Batch()
  const message = ranges({ topic: 'chargers/a/V', payload: '1' })
  batch.add(new FakeSource('a'), telemetry(1, false, ...message))
  const first = batch.pack()
  const before = Buffer.from(Buffer.from(first))
  new Uint8Array(first).fill(0)
  assert.deepEqual(Buffer.from(batch.pack()), before)
  batch.add(new FakeSource('a'), telemetry(2, false, ...message))
  assert.deepEqual(Buffer.from(batch.pack()), Buffer.concat([before, before]))
})

test('a batch is full by count', () => {
  const batch = new Batch()
  const message = ranges({ topic: 'chargers/a/V', payload: '1' })
  const source = new FakeSource('a')
  for (let i = 1; i < batchMessagesMax; i++) batch.add(source, telemetry(i, false, ...message))
  assert.equal(batch.full, false)
  batch.add(source, telemetry(1, false, ...message))
  assert.equal(batch.full, true)
})

test('a batch is full before the largest message would not fit', () => {
  const batch = new Batch()
  const source = new FakeSource('a')
  let added = 0
  for (; !batch.full; added++) batch.add(source, telemetry(1, false, ...ranges(longest)))
  assert.equal(unpacked(batch.pack()).length, added)
  assert.ok(batch.used <= batchBytesMax && batch.used > batchBytesMax - 2 * (packetBytesMax + 8), `${batch.used}`)
  assert.equal(batch.pack().byteLength, batch.used)
})

test('a cleared batch is as good as a new one', () => {
  const batch = new Batch()
  const message = ranges({ topic: 'chargers/b/V', payload: '1' })
  for (const name of ['a', 'b']) batch.add(new FakeSource(name), telemetry(1, true, ...message))
  batch.id = 'id'
  batch.clear()
  assert.deepEqual([batch.id, batch.count, batch.used, batch.full], ['', 0, 0, false])
  assert.deepEqual([batch.identities, batch.sources, batch.tickets], [[], [], []])
  batch.add(new FakeSource('b'), telemetry(9, false, ...message))
  assert.deepEqual(batch.identities, ['b'])
  assert.deepEqual(
    unpacked(batch.pack()).map(({ identity, dup }) => [identity, dup]),
    [[0, false]]
  )
})
