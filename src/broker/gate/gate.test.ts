import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Identity } from '../../model/server/admission.ts'
import { Budget } from '../../model/server/budget.ts'
import {
  fairShareBytesMin,
  fairShareMessagesMin,
  heldConnectionBytes,
  packetBytesMax
} from '../../model/server/limits.ts'
import { below, pick, seededRandom } from '../../model/testing/random.ts'
import { valueNameCharactersMax } from '../../model/wire/limits.ts'
import { closeTimeoutMs, connectTimeoutMs, drainTimeoutMs, topicBytesMax } from '../limits.ts'
import { FakeTimers, GateBench } from '../testing/gateBench.ts'
import * as packets from '../testing/packets.ts'
import {
  keepaliveSecondsMax,
  receivedMessagesMax,
  slowConsumerBytesMax,
  unsentWaitBytes,
  windowMessagesMax
} from './limits.ts'
import { Rate } from './rate.ts'
import { Window } from './window.ts'

const mebibyte = 1024 ** 2
const power = 'chargers/c1/PowerOutput'
const command = 'chargers/c1/commands/start'
const value = (id: number, options: Partial<packets.PublishOptions> = {}): Buffer =>
  packets.publish({ topic: power, payload: `p${id}`, id, ...options })
const values = (from: number, to: number): Buffer =>
  Buffer.concat(Array.from({ length: to - from + 1 }, (_, i) => value(from + i)))
const own = (name: string, options: Partial<packets.PublishOptions> = {}): Buffer =>
  packets.publish({ topic: `chargers/c1/${name}`, ...options })

// --- greeting, connecting, open

test('telemetry is taken only after CONNACK: what came with CONNECT waits, and keeps its order', t => {
  const bench = new GateBench(t)
  bench.arrive(Buffer.concat([packets.connect(), value(1)]), value(2))
  assert.deepEqual(bench.passed(), packets.connect())
  assert.deepEqual(bench.payloads, [])
  assert.equal(bench.socket.isPaused(), true)
  bench.open()
  assert.deepEqual(bench.payloads, ['p1', 'p2'])
  assert.equal(bench.socket.isPaused(), false)
  assert.deepEqual(bench.written(), [])
})

test('what the socket still delivers after its pause waits behind what waits', t => {
  const bench = new GateBench(t)
  bench.arrive(Buffer.concat([packets.connect(), value(1)]))
  bench.socket.emit('data', value(2))
  bench.socket.emit('data', value(3).subarray(0, 4))
  assert.deepEqual(bench.payloads, [])
  bench.open()
  bench.arrive(value(3).subarray(4))
  assert.deepEqual(bench.payloads, ['p1', 'p2', 'p3'])
})

test('a SUBSCRIBE that came with CONNECT reaches Aedes after CONNACK', t => {
  const bench = new GateBench(t)
  bench.arrive(Buffer.concat([packets.connect(), packets.subscribe('chargers/#')]))
  assert.deepEqual(bench.passed(), packets.connect())
  bench.open()
  assert.deepEqual(bench.passed(), packets.subscribe('chargers/#'))
})

const notConnect: [string, Buffer][] = [
  ['PUBLISH', value(1)],
  ['PUBLISH of QoS 0', value(1, { qos: 0 })],
  ['PUBACK', packets.puback(1)],
  ['PUBREL', packets.pubrel(1)],
  ['SUBSCRIBE', packets.subscribe('#')],
  ['UNSUBSCRIBE', packets.unsubscribe('#')],
  ['PINGREQ', packets.pingreq()],
  ['DISCONNECT', packets.disconnect()]
]
for (const [name, packet] of notConnect) {
  test(`a ${name} before CONNECT closes the connection`, t => {
    const bench = new GateBench(t)
    bench.arrive(Buffer.concat([packet, packets.connect()]))
    assert.deepEqual(bench.denials, ['protocol'])
    assert.equal(bench.socket.destroyed, true)
    assert.deepEqual(bench.payloads, [])
    assert.deepEqual(bench.written(), [])
  })
}

test('a second CONNECT closes the connection, and what came before it stays admitted', t => {
  const bench = GateBench.opened(t)
  bench.arrive(Buffer.concat([value(1), packets.connect(), value(2)]))
  assert.deepEqual(bench.denials, ['protocol'])
  assert.equal(bench.socket.destroyed, true)
  assert.deepEqual(bench.payloads, ['p1'])
})

test('a second CONNECT that came with the first closes the connection, too', t => {
  const bench = new GateBench(t)
  bench.arrive(Buffer.concat([packets.connect(), packets.connect()]))
  bench.open()
  assert.deepEqual(bench.denials, ['protocol'])
  assert.equal(bench.socket.destroyed, true)
})

// --- frames

const stream = Buffer.concat([
  value(1),
  packets.pingreq(),
  value(2, { qos: 0 }),
  packets.subscribe('chargers/c1/#', 7),
  value(3, { qos: 2, payload: 'x'.repeat(200) }),
  own('Connection', { qos: 0 }),
  packets.unsubscribe('chargers/c1/#', 8),
  value(4, { dup: true })
])
const toAedes = Buffer.concat([
  packets.pingreq(),
  packets.subscribe('chargers/c1/#', 7),
  packets.unsubscribe('chargers/c1/#', 8)
])
const assertWholeStream = (bench: GateBench, where: string): void => {
  assert.deepEqual(bench.payloads, ['p1', 'p2', 'x'.repeat(200), 'p4'], where)
  assert.deepEqual(bench.passed(), toAedes, where)
  assert.deepEqual(bench.denials, [], where)
}

test('frames split at any byte are the same frames', t => {
  for (let at = 1; at < stream.length; at++) {
    const bench = GateBench.opened(t)
    bench.arrive(stream.subarray(0, at), stream.subarray(at))
    assertWholeStream(bench, `split at ${at}`)
  }
})

test('frames that arrive byte by byte are the same frames, CONNECT too', t => {
  const bench = new GateBench(t)
  for (const byte of packets.connect()) bench.arrive(Buffer.from([byte]))
  assert.deepEqual(bench.passed(), packets.connect())
  bench.open()
  for (const byte of stream) bench.arrive(Buffer.from([byte]))
  assertWholeStream(bench, 'byte by byte')
})

test('a chunk may be overwritten as soon as it was taken', t => {
  const bench = GateBench.opened(t)
  for (const part of [stream.subarray(0, 70), stream.subarray(70, 200), stream.subarray(200)]) {
    const chunk = Buffer.from(part)
    bench.arrive(chunk)
    chunk.fill(0xff)
  }
  assertWholeStream(bench, 'overwritten')
})

const oversize = (length: number): Buffer => Buffer.from([0x30, ...packets.varint(length)])

test('a packet announced larger than the limit closes the connection before its body arrives', t => {
  const bench = GateBench.opened(t)
  bench.arrive(Buffer.concat([value(1), oversize(packetBytesMax + 1)]))
  assert.deepEqual(bench.denials, ['packet_too_large'])
  assert.equal(bench.socket.destroyed, true)
  assert.deepEqual(bench.payloads, ['p1'])
})

test('so does an oversized first packet', t => {
  const bench = new GateBench(t)
  bench.arrive(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))
  assert.deepEqual(bench.denials, ['packet_too_large'])
})

test('the largest legal packet is admitted whole', t => {
  const bench = GateBench.opened(t)
  const payload = 'x'.repeat(packetBytesMax - 2 - power.length - 2)
  const packet = value(1, { payload })
  for (let at = 0; at < packet.length; at += 16_384) bench.arrive(packet.subarray(at, at + 16_384))
  assert.deepEqual(bench.payloads, [payload])
})

const malformed: [string, Buffer][] = [
  ['a QoS 3 publish', Buffer.from([0x36, 5, 0, 1, 97, 0, 1])],
  ['a QoS 0 publish with DUP', Buffer.from([0x38, 3, 0, 1, 97])],
  ['a PUBREL without its reserved flags', Buffer.from([0x60, 2, 0, 1])],
  ['a SUBSCRIBE without its reserved flags', Buffer.from([0x80, 6, 0, 1, 0, 1, 97, 1])],
  ['a packet type that only a server sends', Buffer.from([0x20, 2, 0, 0])],
  ['packet type 0', Buffer.from([0x00, 0])],
  ['packet type 15', Buffer.from([0xf0, 0])],
  ['a length of five bytes', Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01])],
  ['a PUBACK of three bytes', Buffer.from([0x40, 3, 0, 1, 0])],
  ['a PINGREQ with a body', Buffer.from([0xc0, 1, 0])],
  ['message id 0 with QoS 1', value(0)],
  ['message id 0 with QoS 2', value(0, { qos: 2 })],
  ['message id 0 on a foreign topic', packets.publish({ topic: 'x', id: 0 })],
  ['an empty topic', packets.publish({ topic: '' })],
  ['a topic longer than its packet', Buffer.from([0x30, 4, 0, 3, 97, 98])],
  ['no room for the message id', Buffer.from([0x32, 5, 0, 2, 97, 98, 0])],
  ['a topic of 65,535 announced bytes', Buffer.from([0x32, 5, 0xff, 0xff, 97, 98, 99])]
]
for (const [what, packet] of malformed) {
  test(`${what} closes the connection, and the frames before it count`, t => {
    const bench = GateBench.opened(t)
    bench.arrive(Buffer.concat([value(1), packet, value(2)]))
    assert.deepEqual(bench.denials, ['malformed_packet'])
    assert.equal(bench.socket.destroyed, true)
    assert.deepEqual(bench.payloads, ['p1'])
    assert.deepEqual(bench.passed(), Buffer.alloc(0))
  })
}

test('a topic over the limit closes the connection', t => {
  const publish = (bytes: number): GateBench => {
    const bench = GateBench.opened(t, { identity: operator })
    bench.arrive(packets.publish({ topic: 'chargers/c1/commands/'.padEnd(bytes, 'x'), qos: 0 }))
    return bench
  }
  assert.deepEqual(publish(topicBytesMax).denials, [])
  const longer = publish(topicBytesMax + 1)
  assert.deepEqual([longer.denials, longer.passed()], [['publish_topic'], Buffer.alloc(0)])
  assert.equal(longer.socket.destroyed, true)
})

test('garbage in any chunks never throws, and chunks make no difference', t => {
  const random = seededRandom(8)
  let denied = 0
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(stream)
    for (let n = below(random, 10); n > 0; n--) bytes[below(random, bytes.length)] = below(random, 256)
    const whole = GateBench.opened(t)
    whole.arrive(bytes)
    const pieces = GateBench.opened(t)
    const seen: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + below(random, 20)
      pieces.arrive(bytes.subarray(at, at + size))
      seen.push(pieces.passed())
      at += size
    }
    const found = { admitted: pieces.admission.admitted, denials: pieces.denials, written: pieces.written() }
    const expected = { admitted: whole.admission.admitted, denials: whole.denials, written: whole.written() }
    assert.deepEqual(found, expected, bytes.toString('hex'))
    if (whole.denials.length === 0) assert.deepEqual(Buffer.concat(seen), whole.passed(), bytes.toString('hex'))
    denied += whole.denials.length
    whole.gate.destroy()
    pieces.gate.destroy()
  }
  assert.ok(denied > 30 && denied < 300, `${denied}`)
})

// --- the owner of telemetry

const edge = { role: 'edge', chargers: ['c1', 'c2'] } as const
const consumer = { role: 'consumer', chargers: undefined } as const
const bounded = { role: 'consumer', chargers: ['c1'] } as const
const operator = { role: 'operator', chargers: undefined } as const

const topics: [string, Partial<Identity>, boolean][] = [
  [power, edge, true],
  ['chargers/c2/PowerOutput', edge, true],
  ['chargers/c1/Unknown_Name_9', edge, true],
  ['chargers/c1/EdgeStatus', edge, true],
  ['chargers/c1/connection', edge, true],
  ['chargers/c1/Connections', edge, true],
  ['chargers/c1/Connectio', edge, true],
  [`chargers/c1/${'x'.repeat(valueNameCharactersMax)}`, edge, true],
  [`chargers/c1/${'x'.repeat(valueNameCharactersMax + 1)}`, edge, false],
  ['chargers/c3/PowerOutput', edge, false],
  ['chargers/c10/PowerOutput', edge, false],
  ['chargers/c/PowerOutput', edge, false],
  ['chargers/C1/PowerOutput', edge, false],
  ['chargers/c1', edge, false],
  ['chargers/c1/', edge, false],
  ['chargers/c1/PowerOutput/', edge, false],
  ['chargers/c1/PowerOutput/x', edge, false],
  ['chargers/c1/commands/start', edge, false],
  ['chargers/c1//PowerOutput', edge, false],
  ['chargers//PowerOutput', edge, false],
  ['/chargers/c1/PowerOutput', edge, false],
  ['Chargers/c1/PowerOutput', edge, false],
  ['chargers/c1/Power-Output', edge, false],
  ['chargers/c1/Power Output', edge, false],
  ['chargers/c1/PowerOutput\0', edge, false],
  ['chargers/c1/Pöwer', edge, false],
  ['chargers/c1/+', edge, false],
  ['chargers/c1/#', edge, false],
  ['chargers/+/PowerOutput', edge, false],
  ['$SYS/x', edge, false],
  ['c', edge, false],
  [power, consumer, false],
  [power, bounded, false],
  [power, operator, false]
]
test('exactly the own topics are telemetry; every other publish closes the connection, and goes nowhere', t => {
  for (const [topic, identity, isTelemetry] of topics) {
    for (const qos of [0, 1, 2]) {
      const bench = GateBench.opened(t, { identity })
      bench.arrive(Buffer.concat([packets.publish({ topic, qos, retain: true, payload: 'x' }), value(2), value(3)]))
      const isOwner = identity === edge
      assert.deepEqual(bench.payloads, isTelemetry ? ['x', 'p2', 'p3'] : [], topic)
      assert.equal(bench.denials.length, isTelemetry && isOwner ? 0 : 1, topic)
      assert.equal(bench.socket.destroyed, !isTelemetry, topic)
      assert.deepEqual(bench.passed(), Buffer.alloc(0), topic)
      assert.deepEqual(bench.written(), [])
    }
  }
})

test("an operator's commands are left to Aedes unchanged, and nobody else's", t => {
  for (const [identity, isAllowed] of [
    [operator, true],
    [edge, false],
    [consumer, false],
    [bounded, false]
  ] as const) {
    for (const qos of [0, 1, 2]) {
      const bench = GateBench.opened(t, { identity })
      const packet = packets.publish({ topic: command, qos, retain: true, payload: 'x' })
      bench.arrive(packet)
      assert.deepEqual(bench.passed(), isAllowed ? packet : Buffer.alloc(0))
      assert.deepEqual(bench.denials, isAllowed ? [] : ['publish_topic'])
    }
  }
})

test('what is admitted is the topic and the payload byte by byte, with its DUP flag', t => {
  const bench = GateBench.opened(t)
  const payload = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  bench.arrive(
    value(0x1234, { payload, dup: true, retain: true }),
    value(7, { payload: '', qos: 2 }),
    value(9, { qos: 0 })
  )
  assert.deepEqual(bench.admission.admitted, [
    { ticket: 0x1234, dup: true, topic: power, payload: payload.toString('latin1') },
    { ticket: 0x1_0007, dup: false, topic: power, payload: '' },
    { ticket: 0, dup: false, topic: power, payload: 'p9' }
  ])
})

test('telemetry that comes at once is admitted at once, in order, up to what needs an answer of its own', t => {
  const bench = GateBench.opened(t)
  const ping = packets.pingreq()
  bench.arrive(
    Buffer.concat([value(1), value(2), value(3, { qos: 0 }), value(4, { qos: 0 }), value(5), ping, value(6)])
  )
  assert.deepEqual(bench.admission.runs, [2, 2, 1, 1])
  assert.deepEqual(
    bench.admission.admitted.map(({ ticket }) => ticket),
    [1, 2, 0, 0, 5, 6]
  )
  assert.deepEqual(bench.passed(), ping)
})

test('QoS 1 and 2 may share a run, and each gets its own answer', t => {
  const bench = GateBench.opened(t)
  bench.arrive(Buffer.concat([value(1), value(2, { qos: 2 }), value(3)]))
  bench.settle(3)
  assert.deepEqual(bench.written(), [Buffer.concat([packets.puback(1), packets.pubrec(2), packets.puback(3)])])
})

test('what comes at once is cut into runs that a batch has room for', t => {
  const bench = GateBench.opened(t)
  const sizes = [40_000, 40_000, 60_000, 60_000, 10]
  bench.arrive(Buffer.concat(sizes.map((size, i) => value(i + 1, { payload: 'x'.repeat(size) }))))
  assert.deepEqual(bench.admission.runs, [2, 2, 1])
  assert.deepEqual(
    bench.payloads.map(({ length }) => length),
    sizes
  )
})

test('nothing of a run is left behind by a fault of ours', t => {
  const bench = GateBench.opened(t)
  bench.admission.admit = () => {
    throw new Error('ours')
  }
  bench.arrive(value(1))
  assert.equal(bench.run.isEmpty, true)
  assert.equal(bench.socket.destroyed, true)
})

// --- acknowledgements

test('nothing is acknowledged before it is settled', t => {
  const bench = GateBench.opened(t)
  bench.arrive(value(1), value(2, { qos: 2 }), value(3, { qos: 0 }))
  bench.gate.settle([1], 0, 1)
  assert.deepEqual(bench.written(), [])
})

test('a settled batch is acknowledged in one write, in publish order', t => {
  const bench = GateBench.opened(t)
  bench.arrive(values(300, 304), Buffer.concat([value(7, { qos: 2 }), value(65_535), value(8, { qos: 0 }), value(1)]))
  bench.settle(5)
  assert.deepEqual(bench.written(), [Buffer.concat([300, 301, 302, 303, 304].map(packets.puback))])
  bench.settle(4)
  assert.deepEqual(bench.written(), [Buffer.concat([packets.pubrec(7), packets.puback(65_535), packets.puback(1)])])
})

test('1,000 messages in batches of 100 are acknowledged in 10 writes, and admitted in one run for each read', t => {
  const bench = GateBench.opened(t)
  for (let from = 1; from <= 1_000; from += 100) {
    bench.arrive(values(from, from + 99))
    bench.settle(100)
  }
  assert.deepEqual(bench.admission.runs, Array(10).fill(100))
  const written = bench.written()
  assert.equal(written.length, 10)
  assert.equal(Buffer.concat(written).length, 1_000 * packets.puback(1).length)
})

test('a batch of QoS 0 alone writes nothing', t => {
  const bench = GateBench.opened(t)
  bench.arrive(value(1, { qos: 0 }))
  bench.settle(1)
  assert.deepEqual(bench.written(), [])
})

test('a message dropped over the budget is in flight for nobody', t => {
  const bench = GateBench.opened(t)
  bench.admission.drops = true
  // An acknowledgement would wait for any message in flight.
  bench.arrive(value(1, { qos: 0 }), own('Connection', { id: 2 }))
  assert.deepEqual(bench.written(), [packets.puback(2)])
})

// --- QoS 2

test('QoS 2: PUBREC after the batch is settled, PUBCOMP for its PUBREL, and Aedes sees nothing of it', t => {
  const bench = GateBench.opened(t)
  bench.arrive(value(5, { qos: 2 }))
  assert.deepEqual(bench.written(), [])
  bench.settle(1)
  assert.deepEqual(bench.written(), [packets.pubrec(5)])
  bench.arrive(packets.pubrel(5))
  assert.deepEqual(bench.written(), [packets.pubcomp(5)])
  assert.deepEqual(bench.passed(), Buffer.alloc(0))
})

test('a QoS 2 resend while in flight is neither admitted nor answered: the pending PUBREC answers it', t => {
  const bench = GateBench.opened(t)
  bench.arrive(value(5, { qos: 2 }), value(5, { qos: 2, dup: true }), value(5, { qos: 2, dup: true }))
  assert.deepEqual(bench.payloads, ['p5'])
  assert.deepEqual(bench.written(), [])
  bench.settle(1)
  assert.deepEqual(bench.written(), [packets.pubrec(5)])
})

test('a QoS 2 resend after PUBREC gets PUBREC again, each time, and is not admitted again', t => {
  const bench = GateBench.opened(t)
  bench.arrive(value(5, { qos: 2 }))
  bench.settle(1)
  bench.written()
  bench.arrive(value(5, { qos: 2, dup: true }), value(5, { qos: 2, dup: true }))
  assert.deepEqual(bench.written(), [packets.pubrec(5), packets.pubrec(5)])
  assert.deepEqual(bench.payloads, ['p5'])
})

test('a PUBREL before its PUBREC is no release: Aedes answers it, and the message is acknowledged when it is settled', t => {
  const bench = GateBench.opened(t)
  bench.arrive(value(5, { qos: 2 }), packets.pubrel(5), value(5, { qos: 2, dup: true }))
  assert.deepEqual(bench.passed(), packets.pubrel(5))
  assert.deepEqual(bench.written(), [])
  assert.deepEqual(bench.payloads, ['p5'])
  bench.settle(1)
  assert.deepEqual(bench.written(), [packets.pubrec(5)])
})

test('after PUBREL a QoS 2 message id is free for the next message', t => {
  const bench = GateBench.opened(t)
  for (let round = 1; round <= 2; round++) {
    bench.arrive(value(5, { qos: 2, payload: `round ${round}` }))
    bench.settle(1)
    bench.arrive(packets.pubrel(5))
    assert.deepEqual(bench.written(), [packets.pubrec(5), packets.pubcomp(5)])
  }
  assert.deepEqual(bench.payloads, ['round 1', 'round 2'])
})

test('a PUBREL that the gate does not know goes to Aedes, a repeated one too', t => {
  const bench = GateBench.opened(t)
  bench.arrive(packets.pubrel(9))
  assert.deepEqual(bench.passed(), packets.pubrel(9))
  bench.arrive(value(5, { qos: 2 }))
  bench.settle(1)
  bench.arrive(packets.pubrel(5), packets.pubrel(5))
  assert.deepEqual(bench.written(), [packets.pubrec(5), packets.pubcomp(5)])
  assert.deepEqual(bench.passed(), packets.pubrel(5))
})

test('the same message id with QoS 1 and QoS 2 are two messages', t => {
  const bench = GateBench.opened(t)
  bench.arrive(value(5, { qos: 2 }), value(5), value(5, { dup: true }))
  bench.settle(3)
  assert.deepEqual(bench.written(), [Buffer.concat([packets.pubrec(5), packets.puback(5), packets.puback(5)])])
})

test('QoS 2 messages without PUBREL are bounded: one more closes the connection', t => {
  const bench = GateBench.opened(t)
  for (let id = 1; id <= receivedMessagesMax; id++) {
    bench.arrive(value(id, { qos: 2 }))
    bench.settle(1)
  }
  assert.deepEqual(bench.denials, [])
  bench.arrive(value(receivedMessagesMax + 1, { qos: 2 }))
  assert.deepEqual(bench.denials, ['protocol'])
  assert.equal(bench.payloads.length, receivedMessagesMax)
})

// --- Connection: only the server sets it

test("a client's own Connection is acknowledged and goes nowhere", t => {
  const bench = GateBench.opened(t)
  bench.arrive(own('Connection', { qos: 0 }))
  assert.deepEqual(bench.written(), [])
  bench.arrive(own('Connection', { qos: 1, id: 258 }))
  assert.deepEqual(bench.written(), [packets.puback(258)])
  bench.arrive(own('Connection', { qos: 2, id: 3 }), own('Connection', { qos: 2, id: 3, dup: true }), packets.pubrel(3))
  assert.deepEqual(bench.written(), [packets.pubrec(3), packets.pubrec(3), packets.pubcomp(3)])
  assert.deepEqual(bench.payloads, [])
  assert.deepEqual(bench.passed(), Buffer.alloc(0))
})

test('its acknowledgement comes after those of what is in flight', t => {
  for (const [qos, answer] of [
    [1, packets.puback(9)],
    [2, packets.pubrec(9)]
  ] as const) {
    const bench = GateBench.opened(t)
    bench.arrive(values(1, 2), own('Connection', { qos, id: 9 }), value(3))
    bench.settle(1)
    assert.deepEqual(bench.written(), [packets.puback(1)])
    bench.settle(1)
    assert.deepEqual(bench.written(), [packets.puback(2), answer])
    assert.deepEqual(bench.payloads, ['p1', 'p2', 'p3'])
  }
})

test("another charger's Connection is a foreign topic", t => {
  const bench = GateBench.opened(t)
  bench.arrive(packets.publish({ topic: 'chargers/c2/Connection' }))
  assert.deepEqual(bench.denials, ['publish_topic'])
  assert.deepEqual(bench.written(), [])
})

// --- order

test('a foreign publish is judged when everything in flight is acknowledged; what lies behind it is not taken', t => {
  const bench = GateBench.opened(t)
  const foreign = packets.publish({ topic: command, id: 9 })
  bench.arrive(Buffer.concat([value(1), value(2), foreign, packets.pingreq(), value(3)]), value(4))
  assert.deepEqual([bench.payloads, bench.denials], [['p1', 'p2'], []])
  assert.equal(bench.socket.isPaused(), true)
  bench.settle(1)
  assert.deepEqual(bench.denials, [])
  bench.settle(1)
  assert.deepEqual(bench.written(), [packets.puback(1), packets.puback(2)])
  assert.deepEqual([bench.denials, bench.socket.destroyed], [['publish_topic'], true])
  assert.deepEqual([bench.payloads, bench.passed()], [['p1', 'p2'], Buffer.alloc(0)])
})

test('with QoS 0, which nobody acknowledges, it is judged at once', t => {
  const bench = GateBench.opened(t)
  bench.arrive(Buffer.concat([value(1), packets.publish({ topic: command, qos: 0 }), value(2)]))
  assert.deepEqual([bench.payloads, bench.denials], [['p1'], ['publish_topic']])
})

test('pings, subscriptions and acknowledgements of the client pass while telemetry is in flight', t => {
  const bench = GateBench.opened(t)
  const others = [
    packets.pingreq(),
    packets.subscribe('#'),
    packets.unsubscribe('#'),
    packets.puback(4),
    packets.disconnect()
  ]
  bench.arrive(value(1), ...others)
  assert.deepEqual(bench.passed(), Buffer.concat(others))
})

// --- backpressure

test('a connection within its window is never held', t => {
  const bench = GateBench.opened(t)
  bench.arrive(values(1, windowMessagesMax))
  assert.equal(bench.payloads.length, windowMessagesMax)
  assert.equal(bench.socket.isPaused(), false)
  bench.arrive(packets.pingreq())
  assert.deepEqual(bench.passed(), packets.pingreq())
})

test('over its window it is not read until half of it is acknowledged; what was read goes in', t => {
  const bench = GateBench.opened(t)
  bench.arrive(values(1, windowMessagesMax + 10), values(windowMessagesMax + 11, windowMessagesMax + 12))
  assert.equal(bench.payloads.length, windowMessagesMax + 10)
  assert.equal(bench.socket.isPaused(), true)
  bench.settle(windowMessagesMax / 2 + 9)
  assert.equal(bench.socket.isPaused(), true)
  bench.settle(1)
  assert.equal(bench.socket.isPaused(), false)
  assert.equal(bench.payloads.length, windowMessagesMax + 12)
})

test('what was on its way when it was held waits, and goes in first when it is read again, by itself or with a new hold', t => {
  const bench = GateBench.opened(t)
  bench.arrive(values(1, windowMessagesMax + 1))
  const waiting = values(windowMessagesMax + 2, 2 * windowMessagesMax + 2)
  for (const piece of [waiting.subarray(0, 7), waiting.subarray(7, 5000), waiting.subarray(5000)]) {
    bench.socket.emit('data', piece)
  }
  bench.arrive(value(2 * windowMessagesMax + 3))
  assert.equal(bench.payloads.length, windowMessagesMax + 1)
  bench.settle(windowMessagesMax + 1)
  assert.equal(bench.payloads.length, 2 * windowMessagesMax + 2)
  assert.equal(bench.socket.isPaused(), true)
  bench.settle(windowMessagesMax + 1)
  assert.equal(bench.socket.isPaused(), false)
  assert.deepEqual(
    bench.payloads,
    Array.from({ length: 2 * windowMessagesMax + 3 }, (_, i) => `p${i + 1}`)
  )
})

test('the window is one for all connections of an identity', t => {
  const window = new Window()
  const one = GateBench.opened(t, { window })
  const two = GateBench.opened(t, { window })
  one.arrive(values(1, windowMessagesMax))
  two.arrive(value(1))
  assert.deepEqual([one.socket.isPaused(), two.socket.isPaused()], [false, true])
  one.arrive(value(1))
  assert.deepEqual([one.socket.isPaused(), two.socket.isPaused()], [true, true])
  one.settle(windowMessagesMax / 2 + 2)
  assert.deepEqual([one.socket.isPaused(), two.socket.isPaused()], [false, false])
})

test('over the budget only a connection above its fair share is held, until the budget has room', t => {
  const bench = GateBench.opened(t, { budget: new Budget(mebibyte) })
  bench.budget.take(1, mebibyte)
  for (let other = 0; other < 100_000; other++) bench.budget.connected()
  bench.arrive(values(1, fairShareMessagesMin - 1))
  assert.equal(bench.socket.isPaused(), false)
  bench.arrive(value(fairShareMessagesMin), value(fairShareMessagesMin + 1))
  assert.equal(bench.socket.isPaused(), true)
  assert.equal(bench.payloads.length, fairShareMessagesMin)
  bench.budget.give(1, mebibyte / 2)
  bench.settle(1)
  assert.equal(bench.socket.isPaused(), false)
  assert.equal(bench.payloads.length, fairShareMessagesMin + 1)
})

test('a held connection that fell to its fair share is read again, however full the budget is', t => {
  const bench = GateBench.opened(t, { budget: new Budget(mebibyte) })
  bench.budget.take(1, mebibyte)
  for (let other = 0; other < 100_000; other++) bench.budget.connected()
  bench.arrive(values(1, fairShareMessagesMin + 1))
  bench.settle(1)
  assert.equal(bench.socket.isPaused(), true)
  bench.settle(1)
  assert.equal(bench.socket.isPaused(), false)
})

test('over the budget a connection with many small messages below its share of bytes is read', t => {
  const bench = GateBench.opened(t, { budget: new Budget(mebibyte) })
  bench.budget.take(1, mebibyte)
  bench.arrive(values(1, 2 * fairShareMessagesMin))
  assert.equal(bench.socket.isPaused(), false)
})

test('over the budget one large message in flight is more than a share', t => {
  const bench = GateBench.opened(t, { budget: new Budget(mebibyte) })
  for (let other = 0; other < 100; other++) bench.budget.connected()
  bench.budget.take(1, mebibyte)
  bench.arrive(packets.pingreq())
  assert.equal(bench.socket.isPaused(), false)
  bench.arrive(packets.publish({ topic: power, payload: 'x'.repeat(fairShareBytesMin), id: 1 }))
  assert.equal(bench.socket.isPaused(), true)
  bench.settle(1)
  assert.equal(bench.socket.isPaused(), false)
})

test('a held connection counts its buffers, once, and no more when it is read again or gone', t => {
  const bench = GateBench.opened(t)
  const gone = GateBench.opened(t, { budget: bench.budget })
  for (const each of [bench, gone]) each.arrive(values(1, windowMessagesMax + 1))
  assert.equal(bench.budget.usedBytes, 2 * heldConnectionBytes)
  gone.gate.destroy()
  assert.equal(bench.budget.usedBytes, heldConnectionBytes)
  bench.settle(windowMessagesMax + 1)
  assert.equal(bench.budget.usedBytes, 0)
})

test('what Aedes does not take yet waits, unlost and in order', t => {
  const bench = GateBench.opened(t)
  const big = Array.from({ length: 8 }, (_, i) => packets.subscribe(`${i}`.repeat(30_000)))
  bench.arrive(...big.slice(0, 4), value(1), ...big.slice(4), value(2))
  assert.equal(bench.socket.isPaused(), true)
  assert.deepEqual(bench.payloads, [])
  assert.deepEqual(bench.passed(), Buffer.concat(big))
  assert.deepEqual(bench.payloads, ['p1', 'p2'])
  assert.equal(bench.socket.isPaused(), false)
})

test('after stopReading nothing more is taken, and what is in flight is acknowledged', t => {
  const bench = GateBench.opened(t)
  bench.arrive(Buffer.concat([values(1, 2), packets.publish({ topic: command, id: 9 }), value(3)]))
  bench.gate.stopReading()
  bench.arrive(value(4))
  bench.settle(2)
  assert.deepEqual(bench.written(), [Buffer.concat([packets.puback(1), packets.puback(2)])])
  assert.deepEqual(bench.payloads, ['p1', 'p2'])
  assert.equal(bench.socket.isPaused(), true)
})

test('after stopReading a CONNACK lets no telemetry in', t => {
  const bench = new GateBench(t)
  bench.arrive(Buffer.concat([packets.connect(), value(1)]))
  bench.gate.stopReading()
  bench.open()
  assert.deepEqual(bench.payloads, [])
})

// --- the end of a connection

test('a connection that ends with messages in flight: settling them writes nothing, throws nothing, and frees the window', t => {
  const window = new Window()
  const gone = GateBench.opened(t, { window })
  const stays = GateBench.opened(t, { window })
  const foreign = packets.publish({ topic: command, id: 9 })
  gone.arrive(Buffer.concat([values(1, windowMessagesMax), value(1, { qos: 2 }), foreign]))
  stays.arrive(value(1))
  assert.equal(stays.socket.isPaused(), true)
  const released = t.mock.method(gone.gate, 'release')
  gone.gate.destroy()
  gone.settle(windowMessagesMax + 1)
  assert.deepEqual(gone.written(), [])
  assert.equal(stays.socket.isPaused(), false)
  assert.equal(window.exceeded, false)
  assert.equal(released.mock.callCount(), 0)
})

test('an error or the end of the socket is the end of the gate, without an error of its own', async t => {
  for (const event of ['error', 'close']) {
    const bench = GateBench.opened(t)
    const ended: unknown[] = []
    bench.gate.on('error', error => ended.push(error))
    const closed = new Promise(resolve => bench.gate.once('close', resolve))
    bench.socket.emit(event, ...(event === 'error' ? [new Error('ECONNRESET')] : []))
    await closed
    assert.deepEqual(ended, [])
    assert.equal(bench.socket.destroyed, true)
  }
})

test('a socket that ends is read to its end by Aedes', async t => {
  const bench = GateBench.opened(t)
  bench.arrive(packets.disconnect())
  bench.socket.emit('end')
  const ended = new Promise(resolve => bench.gate.once('end', resolve))
  assert.deepEqual(bench.passed(), packets.disconnect())
  await ended
})

test('destroying the gate destroys the socket and leaves no timer', t => {
  const timers = new FakeTimers(t)
  const bench = GateBench.opened(t)
  assert.equal(timers.count, 1)
  bench.gate.destroy()
  assert.equal(bench.socket.destroyed, true)
  assert.equal(timers.count, 0)
})

// --- keepalive

test('whoever does not send a CONNECT in time is closed', t => {
  const timers = new FakeTimers(t)
  const bench = new GateBench(t)
  timers.tick(connectTimeoutMs - 1)
  assert.deepEqual(bench.denials, [])
  timers.tick(1)
  assert.deepEqual(bench.denials, ['timeout'])
  assert.equal(bench.socket.destroyed, true)
})

test('a CONNECT that comes byte by byte has no longer time', t => {
  const timers = new FakeTimers(t)
  const bench = new GateBench(t)
  for (const byte of packets.connect().subarray(0, 9)) {
    timers.tick(connectTimeoutMs / 10)
    bench.arrive(Buffer.from([byte]))
  }
  assert.deepEqual(bench.denials, [])
  timers.tick(connectTimeoutMs / 10)
  assert.deepEqual(bench.denials, ['timeout'])
})

test('a CONNECT that is never answered is closed, though the gate itself has paused its socket', t => {
  const timers = new FakeTimers(t)
  const bench = new GateBench(t)
  bench.arrive(Buffer.concat([packets.connect(), value(1)]))
  bench.gate.keepalive.keepAlive(65_535) // this keepalive is for a client that is open
  assert.equal(bench.socket.isPaused(), true)
  timers.tick(connectTimeoutMs)
  assert.deepEqual(bench.denials, ['timeout'])
})

test('a client that sends nothing for one and a half times its keepalive is cut; any packet starts the time anew', t => {
  const timers = new FakeTimers(t)
  const bench = GateBench.opened(t, { keepaliveSeconds: 10 })
  for (const packet of [packets.pingreq(), value(1), value(2, { qos: 0 }), Buffer.from([0x30])]) {
    timers.tick(14_999)
    bench.arrive(packet)
  }
  timers.tick(14_999)
  assert.deepEqual(bench.denials, [])
  timers.tick(1)
  assert.deepEqual(bench.denials, ['timeout'])
})

test('a keepalive of 0, or a longer one than the limit, counts as the limit', t => {
  for (const seconds of [0, 65_535, keepaliveSecondsMax]) {
    const timers = new FakeTimers(t)
    const bench = GateBench.opened(t, { keepaliveSeconds: seconds })
    timers.tick(1_500 * keepaliveSecondsMax - 1)
    assert.deepEqual(bench.denials, [])
    timers.tick(1)
    assert.deepEqual(bench.denials, ['timeout'])
    t.mock.restoreAll()
  }
})

test('a client that is not read does not expire', t => {
  const timers = new FakeTimers(t)
  const bench = GateBench.opened(t, { keepaliveSeconds: 10 })
  bench.arrive(values(1, windowMessagesMax + 1))
  timers.tick(15_000)
  timers.tick(15_000)
  assert.deepEqual(bench.denials, [])
  bench.settle(windowMessagesMax + 1)
  assert.equal(bench.socket.isPaused(), false)
  timers.tick(15_000)
  assert.deepEqual(bench.denials, ['timeout'])
})

// --- packets that Aedes writes

test('what Aedes writes in a turn goes to the client as one', async t => {
  const bench = GateBench.opened(t)
  bench.gate.write(Buffer.from('a'))
  bench.gate.cork()
  bench.gate.write(Buffer.from('b'))
  bench.gate.write(Buffer.from('c'))
  bench.gate.uncork()
  assert.deepEqual(bench.written(), [])
  await turn()
  assert.deepEqual(bench.written(), [Buffer.from('abc')])
  bench.gate.write(Buffer.from('d'))
  await turn()
  assert.deepEqual(bench.written(), [Buffer.from('d')])
})

test('the last words leave before the socket is destroyed, or ended', t => {
  for (const end of ['destroy', 'finish'] as const) {
    const bench = GateBench.opened(t)
    bench.gate.write(Buffer.from('refused'))
    bench.gate[end]()
    assert.deepEqual(bench.written(), [Buffer.from('refused')])
  }
})

test('Aedes waits for a client only while much is unsent, and then until it has drained', async t => {
  const bench = GateBench.opened(t)
  const done: string[] = []
  const write = (name: string) =>
    new Promise<void>(resolve => bench.gate.write(name, () => resolve(void done.push(name))))
  bench.socket.takes = false
  bench.socket.writableLength = unsentWaitBytes - 2 // the write adds one byte more
  await write('a')
  bench.socket.writableLength = unsentWaitBytes
  const second = write('b')
  await turn()
  assert.deepEqual(done, ['a'])
  bench.socket.emit('drain')
  await second
  assert.deepEqual(done, ['a', 'b'])
})

test('when Aedes ends, the socket is ended, not cut', async t => {
  const bench = GateBench.opened(t)
  const finished = new Promise(resolve => bench.gate.once('finish', resolve))
  bench.gate.end('last words')
  await finished
  assert.deepEqual(bench.written(), [Buffer.from('last words')])
  assert.deepEqual([bench.socket.writableEnded, bench.socket.destroyed], [true, false])
})

test('a client that does not read its acknowledgements is cut: after a while, or when too much is unsent', t => {
  for (const unsent of [0, slowConsumerBytesMax]) {
    const timers = new FakeTimers(t)
    const bench = GateBench.opened(t)
    bench.socket.takes = false
    bench.socket.writableLength = unsent
    bench.arrive(value(1))
    bench.settle(1)
    timers.tick(unsent === 0 ? drainTimeoutMs : 0)
    assert.deepEqual([bench.denials, bench.socket.destroyed], [['slow_consumer'], true])
    t.mock.restoreAll()
  }
})

test('one that reads in time is not', t => {
  const timers = new FakeTimers(t)
  const bench = GateBench.opened(t)
  bench.socket.takes = false
  for (let id = 1; id <= 5; id++) {
    bench.arrive(value(id))
    bench.settle(1)
    timers.tick(drainTimeoutMs - 1)
    bench.socket.emit('drain')
  }
  assert.deepEqual(bench.denials, [])
})

test('over its rate a connection is read again when the time has come, and nothing of it is lost', t => {
  const timers = new FakeTimers(t)
  const bench = GateBench.opened(t, { rate: new Rate({ messagesPerSecond: 100, bytesPerSecond: 1e9 }) })
  bench.arrive(values(1, 90))
  assert.equal(bench.socket.isPaused(), false)
  bench.arrive(values(91, 150), value(151))
  assert.equal(bench.socket.isPaused(), true)
  assert.equal(bench.payloads.length, 150)
  assert.equal(bench.budget.usedBytes, heldConnectionBytes)
  bench.settle(150)
  assert.equal(bench.socket.isPaused(), true, 'acknowledgements do not matter')
  timers.tick(600)
  bench.socket.flow()
  assert.equal(bench.socket.isPaused(), false)
  assert.equal(bench.payloads.length, 151)
  assert.equal(bench.budget.usedBytes, 0)
})

test('a fault of ours costs the connection that met it, and is told', t => {
  const bench = GateBench.opened(t)
  t.mock.method(bench.admission, 'admit', () => {
    throw new Error('ours')
  })
  bench.arrive(value(1))
  assert.deepEqual([bench.failures, bench.denials, bench.socket.destroyed], [['ours'], [], true])
})

test('a frame that comes byte by byte is copied a few times, not once per byte', t => {
  const bench = GateBench.opened(t)
  const packet = value(1, { payload: 'x'.repeat(20_000) })
  bench.arrive(packet.subarray(0, 5))
  const copied = t.mock.method(Buffer, 'concat')
  const allocated = t.mock.method(Buffer, 'allocUnsafeSlow')
  for (const byte of packet.subarray(5)) bench.socket.emit('data', Buffer.from([byte]))
  assert.deepEqual(bench.payloads, ['x'.repeat(20_000)])
  assert.equal(copied.mock.callCount(), 1)
  assert.ok(allocated.mock.callCount() < 20, `${allocated.mock.callCount()} buffers`)
})

test('what MQTT has a word for is told in a CONNACK before the end', t => {
  const fields = (level: number, flags: number, clientId: string): Buffer =>
    packets.packet(0x10, packets.text('MQTT'), [level, flags, 0, 60], packets.text(clientId))
  for (const [packet, code] of [
    [fields(5, 2, 'c1'), 1],
    [fields(4, 0, ''), 2]
  ] as const) {
    const timers = new FakeTimers(t)
    const bench = new GateBench(t)
    bench.arrive(Buffer.concat([packet, value(1)]))
    assert.deepEqual(bench.written(), [Buffer.from([0x20, 2, 0, code])])
    assert.deepEqual([bench.denials, bench.socket.writableEnded], [['protocol'], true])
    bench.arrive(value(2)) // the client was told already and is not told again
    timers.tick(closeTimeoutMs)
    assert.deepEqual([bench.denials, bench.socket.destroyed, bench.passed()], [['protocol'], true, Buffer.alloc(0)])
    assert.deepEqual(bench.admission.admitted, [])
    t.mock.restoreAll()
  }
})

test('finished, it is ended with its last acknowledgement; what still comes is read and thrown away, until the client closes', t => {
  for (const closes of [true, false]) {
    const timers = new FakeTimers(t)
    const bench = GateBench.opened(t)
    bench.arrive(value(1))
    bench.gate.finish()
    bench.arrive(value(2))
    timers.tick(closeTimeoutMs)
    assert.deepEqual([bench.socket.writableEnded, bench.socket.isPaused()], [false, true])
    bench.settle(1)
    assert.deepEqual(bench.written(), [packets.puback(1)])
    bench.socket.flow()
    bench.gate.stopReading() // the call for all gates no longer stops this gate
    bench.arrive(value(3))
    bench.gate.write(packets.puback(9))
    assert.deepEqual(
      [bench.socket.writableEnded, bench.socket.isPaused(), bench.admission.admitted.length],
      [true, false, 1]
    )
    assert.equal(bench.socket.destroyed, false)
    if (closes) bench.socket.destroy()
    timers.tick(closeTimeoutMs)
    assert.deepEqual([bench.socket.destroyed, timers.count, bench.denials], [true, 0, []])
    t.mock.restoreAll()
  }
})

test('a mixed load keeps every promise at once: admitted once, acknowledged once, in order', t => {
  const random = seededRandom(9)
  for (let round = 0; round < 20; round++) {
    const bench = GateBench.opened(t)
    const expected: Buffer[] = []
    const sent: Buffer[] = []
    for (let id = 1; id <= 200; id++) {
      const qos = pick(random, [0, 1, 1, 1, 2])
      const packet = pick(random, ['value', 'value', 'value', 'Connection', 'ping'])
      if (packet === 'ping') sent.push(packets.pingreq())
      else sent.push(packet === 'value' ? value(id, { qos }) : own('Connection', { qos, id }))
      if (packet !== 'ping' && qos === 1) expected.push(packets.puback(id))
      if (packet !== 'ping' && qos === 2) expected.push(packets.pubrec(id))
    }
    const bytes = Buffer.concat(sent)
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + below(random, 200)
      bench.arrive(bytes.subarray(at, at + size))
      bench.passed()
      bench.settle(below(random, Math.min(5, bench.unsettled) + 1))
      at += size
    }
    while (bench.unsettled > 0) bench.settle(1 + below(random, bench.unsettled))
    assert.deepEqual(Buffer.concat(bench.written()), Buffer.concat(expected))
    bench.gate.destroy()
  }
})

test('a subscriber that does not read gets news up to its limit, and is cut at it', t => {
  const bench = GateBench.opened(t)
  bench.socket.writableLength = slowConsumerBytesMax - 1
  assert.equal(bench.gate.takesNews(), true)
  bench.socket.writableLength = slowConsumerBytesMax
  assert.equal(bench.gate.takesNews(), false)
  assert.deepEqual([bench.denials, bench.socket.destroyed], [['slow_consumer'], true])
  assert.equal(bench.gate.takesNews(), false)
})
