import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topicBytesMax } from '../broker/limits.ts'
import { packetBytesMax } from '../model/server/limits.ts'
import { below, pick, seededRandom } from '../model/testing/random.ts'
import { Batch, Records } from './batch.ts'
import { batchBytesMax, batchMessagesMax } from './limits.ts'
import { FakeSource, type Message, messageIn, runIn, runOfAll, unpacked } from './testing/messages.ts'

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
    batch.add(source, runIn({ ...message, dup }, id))
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
    for (const each of [message, neighbour]) batch.add(new FakeSource('c1'), runIn(each, 1))
    const [first, second] = unpacked(batch.pack())
    assert.equal(first!.topic, message.topic, what)
    assert.deepEqual(first!.payload, Buffer.from(message.payload as string), what)
    assert.equal(second!.payload.toString(), 'neighbour', what)
  }
})

test('records are numbered from 0', () => {
  const batch = new Batch()
  const message = { topic: 'chargers/c1/V', payload: '' }
  for (let id = 0; id < 3; id++) batch.add(new FakeSource('c1'), runIn(message, id))
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
  const message = { topic: 'chargers/a/V', payload: '1' }
  for (const [source, id] of [
    [a, 7],
    [a, 0],
    [b, 65_535],
    [a, 0x1_0007],
    [again, 8]
  ] as const) {
    batch.add(source, runIn(message, id))
  }
  assert.deepEqual(batch.identities, ['a', 'b'])
  assert.deepEqual(
    unpacked(batch.pack()).map(({ identity }) => identity),
    [0, 0, 1, 0, 0]
  )
  assert.deepEqual(batch.tickets, [7, 0, 65_535, 0x1_0007, 8])
  assert.deepEqual(batch.sources, [a, a, b, a, again])
})

test('a run is one entry: its messages unpack one by one, and are handed on one by one', () => {
  const batch = new Batch()
  const [a, b] = [new FakeSource('a'), new FakeSource('b')]
  const message = (payload: string): Message => ({ topic: 'chargers/a/V', payload, dup: payload === '3' })
  batch.add(a, runOfAll(['1', '2', '3'].map(message), 7))
  batch.add(b, runOfAll(['4'].map(message), 0))
  batch.add(a, runOfAll(['5', '6'].map(message), 65_534))
  assert.deepEqual(
    [batch.tickets, batch.sources, batch.ends],
    [
      [7, 8, 9, 0, 65_534, 65_535],
      [a, b, a],
      [3, 4, 6]
    ]
  )
  assert.deepEqual(
    [batch.identities, batch.counts],
    [
      ['a', 'b'],
      [5, 1]
    ]
  )
  assert.deepEqual(
    unpacked(batch.pack()).map(({ payload, identity, dup }) => [payload.toString(), identity, dup]),
    ['1', '2', '3', '4', '5', '6'].map(text => [text, text === '4' ? 1 : 0, text === '3'])
  )
  const handedOn: unknown[] = []
  batch.each(
    index => index !== 1 && index !== 4,
    (source, run) => handedOn.push([source.identity.name, messageIn(run)])
  )
  assert.deepEqual(
    handedOn,
    [
      ['a', '1', 7],
      ['a', '3', 9],
      ['b', '4', 0],
      ['a', '6', 65_535]
    ].map(([name, payload, ticket]) => [name, { ...message(payload as string), ticket }])
  )
})

test('as many identities as messages fit', () => {
  const batch = new Batch()
  const message = { topic: 'chargers/a/V', payload: '1' }
  for (let i = 0; i < batchMessagesMax; i++) batch.add(new FakeSource(`c${i}`), runIn(message, 1))
  const numbers = unpacked(batch.pack()).map(({ identity }) => identity)
  assert.ok(numbers.every((number, i) => number === i))
  assert.equal(batch.identities[batchMessagesMax - 1], `c${batchMessagesMax - 1}`)
})

test('the chunk may be overwritten after the message was added', () => {
  const batch = new Batch()
  const run = runIn({ topic: 'chargers/a/V', payload: '123' }, 1)
  batch.add(new FakeSource('a'), run)
  run.chunk.fill(0)
  assert.equal(unpacked(batch.pack())[0]!.payload.toString(), '123')
})

test('the packed bytes are a copy: the batch keeps its own, packs the same again, and may be filled on', () => {
  const batch = new Batch()
  const message = { topic: 'chargers/a/V', payload: '1' }
  batch.add(new FakeSource('a'), runIn(message, 1))
  const first = batch.pack()
  const before = Buffer.from(Buffer.from(first))
  new Uint8Array(first).fill(0)
  assert.deepEqual(Buffer.from(batch.pack()), before)
  batch.add(new FakeSource('a'), runIn(message, 1))
  assert.deepEqual(Buffer.from(batch.pack()), Buffer.concat([before, before]))
})

test('a batch is full by count', () => {
  const batch = new Batch()
  const message = { topic: 'chargers/a/V', payload: '1' }
  const source = new FakeSource('a')
  for (let i = 1; i < batchMessagesMax; i++) batch.add(source, runIn(message, i))
  assert.equal(batch.full, false)
  batch.add(source, runIn(message, 1))
  assert.equal(batch.full, true)
})

test('a batch is full before the largest message would not fit', () => {
  const batch = new Batch()
  const source = new FakeSource('a')
  let added = 0
  for (; !batch.full; added++) batch.add(source, runIn(longest, 1))
  assert.equal(unpacked(batch.pack()).length, added)
  assert.ok(batch.used <= batchBytesMax && batch.used > batchBytesMax - 2 * (packetBytesMax + 8), `${batch.used}`)
  assert.equal(batch.pack().byteLength, batch.used)
})

test('a cleared batch is as good as a new one', () => {
  const batch = new Batch()
  const message = { topic: 'chargers/b/V', payload: '1' }
  for (const name of ['a', 'b']) batch.add(new FakeSource(name), runIn({ ...message, dup: true }, 1))
  batch.id = 'id'
  batch.clear()
  assert.deepEqual([batch.id, batch.count, batch.used, batch.full], ['', 0, 0, false])
  assert.deepEqual([batch.identities, batch.sources, batch.tickets], [[], [], []])
  batch.add(new FakeSource('b'), runIn(message, 9))
  assert.deepEqual(batch.identities, ['b'])
  assert.deepEqual(
    unpacked(batch.pack()).map(({ identity, dup }) => [identity, dup]),
    [[0, false]]
  )
})
