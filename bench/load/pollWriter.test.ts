import assert from 'node:assert/strict'
import { test } from 'node:test'
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet'
import { cards, columns, literalOf } from './columns.ts'
import { connectPacket, PollWriter } from './pollWriter.ts'
import { Session } from './session.ts'

function parsed(bytes: Buffer): Packet[] {
  const packets: Packet[] = []
  const parser = mqttPacket.parser({ protocolVersion: 4 } as never)
  parser.on('packet', packet => packets.push(packet))
  assert.equal(parser.parse(bytes), 0, 'no bytes are left over')
  return packets
}

const timeMs = Date.UTC(2026, 10, 23, 23, 59, 58, 7)

test('every poll of a long session is what an MQTT parser reads: topic, id, time and value, in canonical JSON', () => {
  const writer = new PollWriter({ charger: 'bench-00001', columns, qos: 1 })
  const session = new Session(7)
  const units = new Float64Array(columns.length)
  for (let poll = 0; poll < 2_000; poll++) {
    session.advance(13.7)
    session.show(units, 0, columns.length)
    const atMs = timeMs + poll * 13_700
    const firstId = ((poll * columns.length) % 65_535) + 1
    const packets = parsed(writer.write(units, 0, atMs, firstId)) as IPublishPacket[]
    assert.equal(packets.length, columns.length)
    for (const [k, { topic, payload, qos, retain, dup, messageId }] of packets.entries()) {
      assert.equal(topic, `chargers/bench-00001/${columns[k]!.valueName}`)
      const value = literalOf(columns[k]!, units[k]!)
      assert.equal(String(payload), `{"SamplingTime":"${new Date(atMs).toISOString()}","Value":${value}}`)
      assert.deepEqual({ qos, retain, dup, messageId }, { qos: 1, retain: true, dup: false, messageId: firstId + k })
    }
  }
})

test('numbers of every length are written, also when they grow and shrink', () => {
  const writer = new PollWriter({ charger: 'c', columns: columns.slice(0, 3), qos: 1 })
  for (const units of [0, 9, 10, 99, 100, 123_456_789, 5, 0, 1_000, 999]) {
    const packets = parsed(writer.write(Float64Array.of(units, units, units), 0, timeMs, 1)) as IPublishPacket[]
    const values = packets.map(({ payload }) => JSON.parse(String(payload)).Value)
    assert.deepEqual(values, [units, units, units / 10])
  }
})

test('a topic that needs two bytes of length is framed', () => {
  const charger = 'x'.repeat(64)
  const writer = new PollWriter({ charger, columns: columns.slice(0, 2), qos: 1 })
  const packets = parsed(writer.write(Float64Array.of(1, 2), 0, timeMs, 1)) as IPublishPacket[]
  assert.equal(packets[1]!.topic, `chargers/${charger}/TotalEnergyConsumption`)
})

test('message ids go round after 65,535 and are never 0', () => {
  const writer = new PollWriter({ charger: 'c', columns: columns.slice(0, 3), qos: 1 })
  const packets = parsed(writer.write(Float64Array.of(1, 2, 3), 0, timeMs, 65_534)) as IPublishPacket[]
  assert.deepEqual(
    packets.map(({ messageId }) => messageId),
    [65_534, 65_535, 1]
  )
})

test('DUP is set on a resend and not on the next poll; QoS 0 has no id, QoS 2 has its bits', () => {
  const units = Float64Array.of(1, 2)
  const flagsOf = (qos: 0 | 1 | 2, dup: boolean) => {
    const writer = new PollWriter({ charger: 'c', columns: columns.slice(0, 2), qos })
    writer.write(units, 0, timeMs, 1, true)
    return (parsed(writer.write(units, 0, timeMs, 1, dup)) as IPublishPacket[]).map(packet => [packet.qos, packet.dup])
  }
  assert.deepEqual(flagsOf(1, true), [
    [1, true],
    [1, true]
  ])
  assert.deepEqual(flagsOf(1, false), [
    [1, false],
    [1, false]
  ])
  assert.deepEqual(flagsOf(0, true), [
    [0, false],
    [0, false]
  ])
  assert.deepEqual(flagsOf(2, false), [
    [2, false],
    [2, false]
  ])
})

test('a buffer that was handed out is never written to again', () => {
  const writer = new PollWriter({ charger: 'c', columns: columns.slice(0, 1), qos: 1 })
  const first = writer.write(Float64Array.of(7_000), 0, timeMs, 1)
  const copy = Buffer.from(first)
  writer.write(Float64Array.of(7_001), 0, timeMs + 1_000, 2)
  assert.deepEqual(first, copy)
})

test('CONNECT is what a parser reads', () => {
  const [packet] = parsed(connectPacket('bench-00001', 120))
  const { cmd, clientId, clean, keepalive, protocolVersion } = packet as unknown as Record<string, unknown>
  assert.deepEqual(
    { cmd, clientId, clean, keepalive, protocolVersion },
    { cmd: 'connect', clientId: 'bench-00001', clean: true, keepalive: 120, protocolVersion: 4 }
  )
})

test('no card is longer than the contract allows', () => {
  for (const card of cards) assert.ok(card.length <= 32)
})
