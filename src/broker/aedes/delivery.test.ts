import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Client } from 'aedes'
import { type IPublishPacket, parser } from 'mqtt-packet'
import { slowConsumerBytesMax } from '../gate/limits.ts'
import type { Delivered } from '../internals.ts'
import { GateBench } from '../testing/gateBench.ts'
import { deliverDirectly } from './delivery.ts'

const news: Delivered = {
  topic: 'chargers/c1/PowerOutput',
  payload: Buffer.from('{"Value":1}'),
  retain: false,
  brokerId: null,
  brokerCounter: 0
}

/** Delivers directly to a fake client. Keeps the packets and counts the callbacks. */
function direct(isForwarded: (packet: Delivered) => boolean = () => true) {
  const client = { duplicates: Object.create(null), deliver0: () => assert.fail("Aedes' own") }
  const packets: Buffer[] = []
  let done = 0
  const deliver = (packet: Buffer, taken: () => void): void => {
    packets.push(packet)
    taken()
  }
  deliverDirectly(client as unknown as Client, { deliver }, isForwarded)
  const hear = client.deliver0 as unknown as (packet: Delivered, done: () => void) => void
  return { packets, hear: (packet: Delivered) => hear(packet, () => done++), done: () => done }
}

function parsed(bytes: Buffer): unknown[] {
  const packets: unknown[] = []
  const parse = parser()
  parse.on('packet', packet => {
    const { cmd, topic, payload, qos, retain, dup } = packet as IPublishPacket
    packets.push({ cmd, topic, payload: payload.toString(), qos, retain, dup })
  })
  parse.parse(bytes)
  return packets
}

test('a message is one packet of QoS 0, whatever its size, its text and who else gets it', () => {
  const { packets, hear } = direct()
  const texts = ['', 'x', 'ü€', 'x'.repeat(90), 'x'.repeat(127), 'x'.repeat(16_384), 'x'.repeat(2_100_000)]
  for (const topic of ['t', news.topic, 'chargers/ü/commands/é']) {
    for (const text of texts) {
      for (const payload of [text, Buffer.from(text)]) {
        for (const retain of [false, true, true]) hear({ ...news, topic, payload, retain })
        const expected = { cmd: 'publish', topic, payload: text, qos: 0, dup: false }
        assert.deepEqual(parsed(Buffer.concat(packets.splice(0))), [
          { ...expected, retain: false },
          { ...expected, retain: true },
          { ...expected, retain: true }
        ])
      }
    }
  }
})

test('subscribers of the same message are sent the same bytes, and of another one others', () => {
  const [one, two] = [direct(), direct()]
  for (const reader of [one, two]) reader.hear(news)
  assert.equal(one.packets[0], two.packets[0])
  two.hear({ ...news, topic: 'chargers/c2/PowerOutput' })
  assert.match(two.packets[1]!.toString(), /c2/)
})

test('what is not forwarded is not sent, what its judge makes of it is, and everybody is called back', async () => {
  const forwarded: unknown[] = []
  const { packets, hear, done } = direct(packet => {
    forwarded.push(packet.payload.toString())
    packet.payload = Buffer.from('newest')
    return packet.retain
  })
  hear({ ...news })
  assert.equal(done(), 0, 'a call back from within could call on without end')
  await turn()
  hear({ ...news, retain: true })
  assert.deepEqual([forwarded, done()], [['{"Value":1}', '{"Value":1}'], 2])
  assert.deepEqual(
    parsed(Buffer.concat(packets)).map(packet => (packet as { payload: string }).payload),
    ['newest']
  )
})

test('of two subscriptions that match one message one gets it; what has no number is none of these', () => {
  const { packets, hear } = direct()
  const of = (brokerId: string | null, brokerCounter: number): number => {
    hear({ ...news, brokerId, brokerCounter })
    return packets.splice(0).length
  }
  const sent = [of('a', 1), of('a', 1), of('a', 2), of('b', 1), of('a', 1), of(null, 0), of(null, 0)]
  assert.deepEqual(sent, [1, 0, 1, 1, 0, 1, 1])
})

// --- how a gate handles a delivered packet

const packet = Buffer.alloc(1_000, 'packet')

test('what is delivered before CONNACK waits for it', async t => {
  const bench = new GateBench(t)
  let done = 0
  for (let i = 0; i < 2; i++) bench.gate.deliver(packet, () => done++)
  await turn()
  assert.deepEqual([bench.written(), done], [[], 2])
  bench.open()
  await turn()
  assert.deepEqual(bench.written(), [Buffer.concat([packet, packet])])
})

test('who is sent too much before his CONNACK is cut, like everybody', t => {
  const bench = new GateBench(t)
  for (let bytes = 0; bytes < slowConsumerBytesMax; bytes += packet.length) {
    assert.equal(bench.gate.takesNews(), true)
    bench.gate.deliver(packet, () => {})
  }
  assert.deepEqual([bench.gate.takesNews(), bench.gate.destroyed, bench.denials], [false, true, ['slow_consumer']])
})

test('who brings more than the socket takes is called back when it takes more, or when there is nobody', async t => {
  for (const end of ['drain', 'destroy'] as const) {
    const bench = GateBench.opened(t)
    bench.socket.takes = false
    let done = 0
    const large = Buffer.alloc(200_000)
    for (let i = 0; i < 3; i++) bench.gate.deliver(large, () => done++)
    await turn()
    assert.ok(done < 3, `${done}`)
    if (end === 'drain') bench.socket.emit('drain')
    else bench.gate.destroy()
    assert.equal(done, 3, end)
    bench.gate.destroy()
    const written = bench.socket.written.length
    for (let i = 0; i < 3; i++) bench.gate.deliver(large, () => done++)
    await turn()
    assert.deepEqual([done, bench.socket.written.length], [6, written], `${end}, then gone`)
  }
})
