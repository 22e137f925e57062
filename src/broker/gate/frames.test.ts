import assert from 'node:assert/strict'
import { test } from 'node:test'
import { below, pick, seededRandom } from '../../model/testing/random.ts'
import * as packets from '../testing/packets.ts'
import * as frames from './frames.ts'

const bytesMax = 65_535
const read = (chunk: Buffer, at = 0, max = bytesMax) => {
  const frame = new frames.Frame()
  const status = frames.readFrame(chunk, at, max, frame)
  return { status, frame }
}
const statusOf = (...bytes: number[]): frames.FrameStatus => read(Buffer.from(bytes)).status

// The first bytes that a client may send, each with a legal length, from OASIS MQTT 3.1.1, tables 2.1 and 2.2.
const legal = new Map<number, number>([
  [0x10, 12], // CONNECT
  ...[0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3a, 0x3b, 0x3c, 0x3d].map(first => [first, 5] as const), // PUBLISH
  [0x40, 2], // PUBACK
  [0x50, 2], // PUBREC
  [0x62, 2], // PUBREL
  [0x70, 2], // PUBCOMP
  [0x82, 6], // SUBSCRIBE
  [0xa2, 5], // UNSUBSCRIBE
  [0xc0, 0], // PINGREQ
  [0xe0, 0] // DISCONNECT
])

test('every first byte that a client may send is read, and every other one is malformed at once', () => {
  for (let first = 0; first < 256; first++) {
    const length = legal.get(first)
    const expected = length === undefined ? frames.malformed : frames.complete
    assert.equal(statusOf(first, length ?? 2, ...new Array(length ?? 2).fill(0)), expected, `0x${first.toString(16)}`)
    // The first byte alone decides. A malformed one is refused without waiting for more bytes.
    assert.equal(statusOf(first), length === undefined ? frames.malformed : frames.partial, `0x${first.toString(16)}`)
  }
})

test('a frame tells its type, its flags and where its body lies', () => {
  const chunk = Buffer.concat([
    Buffer.from([1, 2, 3]),
    packets.publish({ topic: 'ab', payload: 'x'.repeat(200), dup: true })
  ])
  const { status, frame } = read(chunk, 3)
  assert.equal(status, frames.complete)
  assert.deepEqual({ ...frame }, { type: frames.PUBLISH, flags: 0b1010, bodyAt: 6, end: chunk.length })
})

// The shortest and the longest legal length. Without a longest length, only the packet limit counts.
const lengths: [string, number, number, number?][] = [
  ['CONNECT', 0x10, 5],
  ['PUBLISH', 0x30, 3],
  ['PUBLISH with QoS 2', 0x34, 3],
  ['PUBACK', 0x40, 2, 2],
  ['PUBREC', 0x50, 2, 2],
  ['PUBREL', 0x62, 2, 2],
  ['PUBCOMP', 0x70, 2, 2],
  ['SUBSCRIBE', 0x82, 5],
  ['UNSUBSCRIBE', 0xa2, 5],
  ['PINGREQ', 0xc0, 0, 0],
  ['DISCONNECT', 0xe0, 0, 0]
]
test('a length that its packet type cannot have is malformed before the body arrives', () => {
  for (const [name, first, shortest, longest = bytesMax] of lengths) {
    for (let length = 0; length < 40; length++) {
      const status = statusOf(first, ...packets.varint(length), ...new Array(length).fill(0))
      const isLegal = length >= shortest && length <= longest
      assert.equal(status, isLegal ? frames.complete : frames.malformed, `${name} of ${length}`)
      if (!isLegal) assert.equal(statusOf(first, length), frames.malformed, `${name} of ${length}, announced`)
    }
  }
})

test('lengths of one to four bytes are read', () => {
  const steps: [number, number][] = [
    [0, 1],
    [127, 1],
    [128, 2],
    [16_383, 2],
    [16_384, 3],
    [2_097_151, 3],
    [2_097_152, 4],
    [268_435_455, 4]
  ]
  for (const [length, bytes] of steps) {
    const first = length === 0 ? 0xc0 : 0x30
    const header = Buffer.from([first, ...packets.varint(length)])
    const { status, frame } = read(header, 0, 268_435_455)
    assert.equal(header.length, 1 + bytes)
    assert.equal(status, length === 0 ? frames.complete : frames.partial)
    assert.deepEqual([frame.bodyAt, frame.end], [1 + bytes, 1 + bytes + length])
  }
})

test('a length of five bytes is malformed as soon as its fourth byte announces a fifth', () => {
  for (const fourth of [0x80, 0xff]) {
    assert.equal(statusOf(0x30, 0xff, 0xff, 0xff), frames.partial)
    assert.equal(statusOf(0x30, 0xff, 0xff, 0xff, fourth), frames.malformed)
    assert.equal(statusOf(0x30, 0xff, 0xff, 0xff, fourth, 0x01), frames.malformed)
  }
})

test('a frame announced larger than the limit is refused before its body arrives', () => {
  for (const max of [10, 127, 128, bytesMax]) {
    const at = (length: number) => read(Buffer.from([0x30, ...packets.varint(length)]), 0, max).status
    assert.equal(at(max), frames.partial)
    assert.equal(at(max + 1), frames.tooLarge)
    assert.equal(at(268_435_455), frames.tooLarge)
  }
  // The limit also holds for a CONNECT, the first packet of every client.
  assert.equal(statusOf(0x10, ...packets.varint(bytesMax + 1)), frames.tooLarge)
})

test('a frame cut after any of its bytes is partial, and complete with the last one', () => {
  const whole = [
    packets.connect({ clientId: 'a-client' }),
    packets.publish({ topic: 'chargers/c1/PowerOutput', payload: 'x'.repeat(130), qos: 2 }),
    packets.pubrel(513),
    packets.subscribe('chargers/#'),
    packets.pingreq()
  ]
  for (const packet of whole) {
    for (let end = 1; end < packet.length; end++) {
      assert.equal(read(packet.subarray(0, end)).status, frames.partial, `${end} of ${packet.length}`)
    }
    assert.equal(read(packet).status, frames.complete)
    // The bytes after the frame belong to the next frame.
    assert.equal(read(Buffer.concat([packet, packet])).frame.end, packet.length)
  }
})

test('back to back frames are read one after the other', () => {
  const whole = [packets.connect(), packets.publish({ topic: 't', qos: 0 }), packets.pingreq(), packets.disconnect()]
  const chunk = Buffer.concat(whole)
  const types = []
  for (let at = 0; at < chunk.length; ) {
    const { status, frame } = read(chunk, at)
    assert.equal(status, frames.complete)
    types.push(frame.type)
    at = frame.end
  }
  assert.deepEqual(types, [frames.CONNECT, frames.PUBLISH, frames.PINGREQ, frames.DISCONNECT])
})

/** A chunk that records each access outside of its bounds. */
function guarded(bytes: Buffer): { chunk: Buffer; outside: () => number[] } {
  const outside: number[] = []
  const chunk = new Proxy(bytes, {
    get(target, key) {
      if (key === 'length') return target.length
      const index = Number(key as string)
      if (!(index >= 0 && index < target.length)) outside.push(index)
      return target[index]
    }
  })
  return { chunk, outside: () => outside }
}

test('no bytes make it throw, read past the chunk, or stand still', () => {
  const random = seededRandom(3)
  const firstBytes = [...legal.keys()]
  const seen = new Set<frames.FrameStatus>()
  const frame = new frames.Frame()
  for (let i = 0; i < 30_000; i++) {
    const bytes = Buffer.from(Array.from({ length: 1 + below(random, 12) }, () => below(random, 256)))
    if (random() < 0.7) bytes[0] = pick(random, firstBytes)
    if (random() < 0.7 && bytes.length > 1) bytes[1] = below(random, 8)
    const { chunk, outside } = guarded(bytes)
    const status = frames.readFrame(chunk, 0, below(random, 300), frame)
    seen.add(status)
    assert.deepEqual(outside(), [], bytes.toString('hex'))
    if (status !== frames.complete) continue
    assert.ok(frame.bodyAt >= 2 && frame.end >= frame.bodyAt && frame.end <= bytes.length, bytes.toString('hex'))
    assert.equal(frame.type, bytes[0]! >> 4)
  }
  assert.deepEqual([...seen].sort(), [frames.complete, frames.partial, frames.malformed, frames.tooLarge])
})

test('what any prefix of a stream says, more bytes never take back', () => {
  const random = seededRandom(4)
  for (let i = 0; i < 3_000; i++) {
    const bytes = Buffer.from(Array.from({ length: 8 }, () => below(random, random() < 0.5 ? 8 : 256)))
    bytes[0] = pick(random, [...legal.keys()])
    let decided: frames.FrameStatus = frames.partial
    for (let end = 1; end <= bytes.length; end++) {
      const { status } = read(bytes.subarray(0, end), 0, 300)
      if (decided !== frames.partial) assert.equal(status, decided, bytes.toString('hex'))
      decided = status
    }
  }
})

test('QoS is read off the flags', () => {
  for (let flags = 0; flags < 16; flags++) {
    assert.equal(frames.qosOf(flags), Math.floor(flags / 2) % 4)
  }
})

test('numbers of 16 bits are big endian', () => {
  assert.equal(frames.readUInt16(Buffer.from([9, 0x12, 0x34]), 1), 0x1234)
  assert.equal(frames.readUInt16(Buffer.from([0xff, 0xff]), 0), 0xffff)
})

test('an acknowledgement is four bytes, with the reserved flags that PUBREL has', () => {
  for (const id of [1, 255, 256, 65_535]) {
    assert.deepEqual(Buffer.from(frames.acknowledgement(frames.PUBACK, id)), packets.puback(id))
    assert.deepEqual(Buffer.from(frames.acknowledgement(frames.PUBREC, id)), packets.pubrec(id))
    assert.deepEqual(Buffer.from(frames.acknowledgement(frames.PUBREL, id)), packets.pubrel(id))
    assert.deepEqual(Buffer.from(frames.acknowledgement(frames.PUBCOMP, id)), packets.pubcomp(id))
  }
})

// --- the content of a packet

const faultOf = (packet: Buffer, filtersMax = 100): string | undefined => {
  const { status, frame } = read(packet)
  if (status === frames.malformed) return 'malformed_packet'
  assert.equal(status, frames.complete, packet.toString('hex'))
  const fault = frames.packetFault(packet, frame, filtersMax)
  return fault && `${fault.code}${fault.returnCode > 0 ? ` ${fault.returnCode}` : ''}`
}
const filters = (...each: (string | Buffer)[]): Buffer =>
  packets.packet(0x82, packets.uint16(7), ...each.flatMap(filter => [packets.text(filter), [1]]))

const filterRules: [string, boolean][] = [
  ['a', true],
  ['/', true],
  ['a/b/c', true],
  ['//', true],
  ['#', true],
  ['+', true],
  ['/#', true],
  ['+/#', true],
  ['a/+/b/#', true],
  ['+/+', true],
  ['$SYS/#', true],
  ['Zähler/✓/🚗', true],
  ['\ufeffa', true], // a BOM is a character like others [MQTT-1.5.3-3]
  ['', false],
  ['a#', false],
  ['#a', false],
  ['#/', false],
  ['a/#/b', false],
  ['##', false],
  ['a+', false],
  ['+a', false],
  ['a/+b', false],
  ['a/b+/c', false],
  ['++', false],
  ['+#', false],
  ['a\0', false],
  ['\u0001', false],
  ['a\nb', false],
  ['\u007f', false],
  ['\u009f', false],
  ['\uffff', false],
  ['\ufffe', false],
  ['\ufdd0', false],
  ['\u{1fffe}', false]
]
test('a filter is legal as MQTT 3.1.1, sections 1.5.3 and 4.7, have it', () => {
  for (const [filter, isLegal] of filterRules) {
    const expected = isLegal ? undefined : 'malformed_packet'
    assert.equal(faultOf(filters(filter)), expected, JSON.stringify(filter))
    assert.equal(faultOf(filters('a', filter, 'b')), expected, JSON.stringify(filter))
    assert.equal(faultOf(packets.unsubscribe(filter)), expected, JSON.stringify(filter))
  }
})

const illFormed = ['c328', 'ff', 'c0af', 'e080af', 'f08080af', 'eda080', 'edbfbf', 'f4908080', 'e282', '80'].map(hex =>
  Buffer.from(hex, 'hex')
)
test('ill-formed UTF-8, overlong forms and surrogates among it, is no text', () => {
  for (const bytes of illFormed) {
    assert.equal(faultOf(filters(bytes)), 'malformed_packet', bytes.toString('hex'))
    assert.equal(typeof frames.topicFault(bytes, 0, bytes.length), 'string')
  }
})

test('a topic has no wildcard and is not empty', () => {
  const faultOfTopic = (text: string): string | undefined => {
    const bytes = Buffer.from(`<${text}>`)
    return frames.topicFault(bytes, 1, bytes.length - 1)
  }
  for (const topic of ['a', 'a/b', '/', 'é', 'a b', '$SYS/x']) assert.equal(faultOfTopic(topic), undefined, topic)
  for (const topic of ['', '#', 'a/+/b', 'a#', 'a\0b', '\r']) assert.equal(typeof faultOfTopic(topic), 'string', topic)
})

test('filters over the limit are told from what is malformed', () => {
  assert.equal(faultOf(filters('a', 'b', 'c'), 3), undefined)
  assert.equal(faultOf(filters('a', 'b', 'c'), 2), 'subscription_limit')
  assert.equal(faultOf(filters('a', 'b', 'c#'), 2), 'malformed_packet')
})

test('message id 0 is malformed wherever there is one', () => {
  const withId = (id: number): Buffer[] => [
    packets.puback(id),
    packets.pubrec(id),
    packets.pubrel(id),
    packets.pubcomp(id),
    packets.subscribe('a', id),
    packets.unsubscribe('a', id)
  ]
  for (const packet of withId(0)) assert.equal(faultOf(packet), 'malformed_packet', packet.toString('hex'))
  for (const packet of withId(256)) assert.equal(faultOf(packet), undefined, packet.toString('hex'))
})

test('whatever a legal packet becomes by a few changes: no throw, no look beyond it, and never more filters than it may have', () => {
  const random = seededRandom(12)
  const originals = [
    packets.connect({
      clientId: 'c1:abc',
      will: { topic: 'a/b', payload: 'bye', qos: 1 },
      userName: 'u',
      password: 'p'
    }),
    packets.connect({ clientId: '', clean: true }),
    filters('a/b', '+/#', 'x'),
    packets.unsubscribe('a/+'),
    packets.pubrel(1)
  ]
  let faults = 0
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.from(pick(random, originals))
    for (let n = 1 + below(random, 3); n > 0; n--) {
      bytes[2 + below(random, bytes.length - 2)] = pick(random, [
        0,
        1,
        2,
        4,
        0x23,
        0x2b,
        0x80,
        0xff,
        below(random, 256)
      ])
    }
    const { frame } = read(bytes)
    // Bytes of the next packet must not change the result.
    const fault = frames.packetFault(bytes, frame, 3)
    const followed = Buffer.concat([bytes, Buffer.alloc(70_000, 0x61)])
    assert.deepEqual(frames.packetFault(followed, frame, 3), fault, bytes.toString('hex'))
    if (fault !== undefined) faults++
  }
  assert.ok(faults > 5_000 && faults < 19_000, `${faults}`)
})
