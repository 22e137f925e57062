// A table of packets, as bytes, that MQTT 3.1.1 forbids. Each entry names the rule that it breaks. Source: OASIS MQTT
// 3.1.1. The numbers in the table are the numbers of its normative statements.

import { clientFiltersMax } from '../../src/broker/limits.ts'
import * as packets from '../../src/broker/testing/packets.ts'
import { packetBytesMax } from '../../src/model/server/limits.ts'

export interface Malformed {
  readonly what: string
  readonly bytes: Buffer
  /** The packet is sent instead of a CONNECT (`first`), or after an accepted CONNECT (`open`). */
  readonly stage: 'first' | 'open'
  /** The CONNACK return code that the server sends before it closes, if MQTT defines one. */
  readonly returnCode?: number
}

const { connect, packet, publish, text, uint16 } = packets
const bytes = (...values: number[]): Buffer => Buffer.from(values)
const ill = (hex: string): Buffer => Buffer.from(hex, 'hex')
const nul = 'a\0b'
const lone = ill('eda080')
const overlong = ill('c0af')

/** Builds a CONNECT field by field, for packets that `connect` cannot build. */
const fields = (flags: number, ...rest: (Buffer | number[])[]): Buffer =>
  packet(0x10, text('MQTT'), [4, flags, 0, 60], ...rest)
const cut = (whole: Buffer, by: number): Buffer => packet(whole[0]!, whole.subarray(2, whole.length - by))
const will = (topic: string | Buffer, qos = 1): Buffer =>
  connect({ clientId: 'c1:w', will: { topic, payload: 'x', qos } })
const filter = (name: string | Buffer, qos = 1): Buffer => packet(0x82, uint16(1), text(name), [qos])

const first: [string, Buffer, number?][] = [
  ['PUBLISH before CONNECT [3.1.0-1]', publish({ topic: 'chargers/c1/PowerOutput' })],
  ['PUBLISH of QoS 0 before CONNECT', publish({ topic: 'chargers/c1/PowerOutput', qos: 0 })],
  ['SUBSCRIBE before CONNECT', packets.subscribe('chargers/c1/#')],
  ['UNSUBSCRIBE before CONNECT', packets.unsubscribe('chargers/c1/#')],
  ['PINGREQ before CONNECT', packets.pingreq()],
  ['DISCONNECT before CONNECT', packets.disconnect()],
  ['PUBACK before CONNECT', packets.puback(1)],
  ['PUBREL before CONNECT', packets.pubrel(1)],
  ['protocol name MQTTX [3.1.2-1]', connect({ protocol: 'MQTTX' })],
  ['protocol name mqtt', connect({ protocol: 'mqtt' })],
  ['an empty protocol name', connect({ protocol: '' })],
  ['a protocol name of 300 bytes', connect({ protocol: 'MQTT'.repeat(75) })],
  ['level 5 [3.1.2-2]', connect({ level: 5 }), 1],
  ['level 3 with the name of 3.1.1', connect({ level: 3 }), 1],
  ['level 4 with the name of 3.1', connect({ protocol: 'MQIsdp', level: 4 }), 1],
  ['level 0', connect({ level: 0 }), 1],
  ['the level of a bridge', connect({ level: 0x84 }), 1],
  ['the reserved connect flag [3.1.2-3]', connect({ flags: 3 })],
  ['a will of QoS 3 [3.1.2-14]', will('chargers/c1/x', 3)],
  ['QoS of a will without a will [3.1.2-13]', connect({ flags: 0x0a })],
  ['retain of a will without a will [3.1.2-15]', connect({ flags: 0x22 })],
  ['a password without a user name [3.1.2-22]', fields(0x42, text('c1'), text('secret'))],
  ['a user name that is not there', fields(0x82, text('c1'))],
  ['a password that is not there', fields(0xc2, text('c1'), text('u'))],
  ['a will that is not there', fields(0x06, text('c1'))],
  ['a will without its message', fields(0x06, text('c1'), text('chargers/c1/x'))],
  ['bytes behind the last field', fields(0x02, text('c1'), [0])],
  ['a will behind flags without one', fields(0x02, text('c1'), text('chargers/c1/x'), text('x'))],
  ['a client id longer than the packet', fields(0x02, uint16(9), [0x63])],
  ['no client id', fields(0x02)],
  ['a CONNECT that ends in its keepalive', cut(connect(), 5)],
  ['a CONNECT that ends in its flags', cut(connect(), 7)],
  ['a CONNECT that ends in its name', packet(0x10, uint16(4), [0x4d, 0x51, 0x54])],
  ['a CONNECT of no bytes', bytes(0x10, 0)],
  ['a client id with NUL [1.5.3-2]', connect({ clientId: nul })],
  ['a client id of ill-formed UTF-8 [1.5.3-1]', connect({ clientId: ill('63ff') })],
  ['a client id with a surrogate', connect({ clientId: lone })],
  ['a client id with U+FFFE', connect({ clientId: 'c1:\ufffe' })],
  ['a client id with a control character', connect({ clientId: 'c1:\n' })],
  ['an empty will topic [4.7.3-1]', will('')],
  ['a will topic with a wildcard [4.7.1-1]', will('chargers/c1/#')],
  ['a will topic with NUL', will(nul)],
  ['a user name of overlong UTF-8', connect({ userName: overlong })],
  ['an empty client id with clean=false [3.1.3-8]', connect({ clientId: '', clean: false }), 2],
  ['CONNECT with flags in its header [2.2.2-1]', bytes(0x11, ...connect().subarray(1))],
  ['a CONNECT announced larger than the limit', bytes(0x10, ...packets.varint(packetBytesMax + 1))],
  ['a CONNECT announced with 256 MB', bytes(0x10, 0xff, 0xff, 0xff, 0x7f)],
  ['a length of five bytes [2.2.3]', bytes(0x10, 0x80, 0x80, 0x80, 0x80, 1)],
  ['a TLS client that speaks HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: chargers\r\n\r\n')]
]

const open: [string, Buffer][] = [
  ['a second CONNECT [3.1.0-2]', connect()],
  ['a second CONNECT of another', connect({ clientId: 'c2' })],
  ['packet type 0', bytes(0x00, 0)],
  ['packet type 15', bytes(0xf0, 0)],
  ['CONNACK from a client', bytes(0x20, 2, 0, 0)],
  ['SUBACK from a client', bytes(0x90, 3, 0, 1, 0)],
  ['UNSUBACK from a client', bytes(0xb0, 2, 0, 1)],
  ['PINGRESP from a client', bytes(0xd0, 0)],
  ['a length of five bytes', bytes(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f)],
  ['a PUBLISH announced larger than the limit', bytes(0x30, ...packets.varint(packetBytesMax + 1))],
  ['QoS 3 [3.3.1-4]', bytes(0x36, 5, 0, 1, 0x61, 0, 1)],
  ['DUP with QoS 0 [3.3.1-2]', bytes(0x38, 3, 0, 1, 0x61)],
  ['PUBREL without its flags [3.6.1-1]', bytes(0x60, 2, 0, 1)],
  ['SUBSCRIBE without its flags [3.8.1-1]', bytes(0x80, 6, 0, 1, 0, 1, 0x61, 1)],
  ['UNSUBSCRIBE without its flags [3.10.1-1]', bytes(0xa0, 5, 0, 1, 0, 1, 0x61)],
  ['PINGREQ with flags', bytes(0xc1, 0)],
  ['DISCONNECT with flags [3.14.1-1]', bytes(0xe1, 0)],
  ['PUBACK with flags', bytes(0x42, 2, 0, 1)],
  ['PUBACK of three bytes', bytes(0x40, 3, 0, 1, 0)],
  ['PUBACK of no bytes', bytes(0x40, 0)],
  ['PINGREQ with a body', bytes(0xc0, 1, 0)],
  ['DISCONNECT with a body', bytes(0xe0, 1, 0)],
  ['PUBLISH with message id 0 [2.3.1-1]', publish({ topic: 'chargers/c1/PowerOutput', id: 0 })],
  ['PUBLISH of QoS 2 with message id 0', publish({ topic: 'chargers/c1/PowerOutput', id: 0, qos: 2 })],
  ['PUBLISH to an empty topic', publish({ topic: '' })],
  ['PUBLISH without a topic', bytes(0x30, 0)],
  ['PUBLISH with a topic longer than the packet', bytes(0x30, 4, 0, 3, 0x61, 0x62)],
  ['PUBLISH without room for its message id', bytes(0x32, 5, 0, 2, 0x61, 0x62, 0)],
  ['PUBLISH to # [3.3.2-2]', publish({ topic: 'chargers/c1/#' })],
  ['PUBLISH to +', publish({ topic: 'chargers/+/PowerOutput' })],
  ['PUBLISH to a topic with NUL [4.7.3-2]', publish({ topic: 'chargers/c1/Power\0' })],
  ['PUBLISH to ill-formed UTF-8', publish({ topic: ill('61c328') })],
  ['PUBLISH to a surrogate', publish({ topic: lone })],
  ['SUBSCRIBE with message id 0', packets.subscribe('chargers/c1/#', 0)],
  ['SUBSCRIBE without a filter [3.8.3-3]', bytes(0x82, 2, 0, 1)],
  ['SUBSCRIBE to an empty filter', filter('')],
  ['SUBSCRIBE with QoS 3 [3.8.3-4]', filter('chargers/c1/#', 3)],
  ['SUBSCRIBE with reserved bits', filter('chargers/c1/#', 0x81)],
  ['SUBSCRIBE without a QoS', packet(0x82, uint16(1), text('chargers/c1/#'))],
  ['SUBSCRIBE with half a second filter', packet(0x82, uint16(1), text('chargers/c1/#'), [1, 0])],
  ['SUBSCRIBE with a filter longer than the packet', bytes(0x82, 6, 0, 1, 0, 9, 0x61, 1)],
  ['SUBSCRIBE to a# [4.7.1-2]', filter('chargers/c1#')],
  ['SUBSCRIBE to #/a', filter('#/a')],
  ['SUBSCRIBE to a+ [4.7.1-3]', filter('chargers/c1+')],
  ['SUBSCRIBE to +a', filter('chargers/+c1/#')],
  ['SUBSCRIBE to NUL', filter(nul)],
  ['SUBSCRIBE to overlong UTF-8', filter(overlong)],
  ['SUBSCRIBE to a surrogate', filter(lone)],
  [
    'SUBSCRIBE with too many filters',
    packet(0x82, uint16(1), ...Array.from({ length: clientFiltersMax + 1 }, (_, i) => [...text(`${i}`), 0]))
  ],
  ['UNSUBSCRIBE with message id 0', packets.unsubscribe('chargers/c1/#', 0)],
  ['UNSUBSCRIBE without a filter [3.10.3-2]', bytes(0xa2, 2, 0, 1)],
  ['UNSUBSCRIBE from an empty filter', packets.unsubscribe('')],
  ['UNSUBSCRIBE with a filter longer than the packet', bytes(0xa2, 5, 0, 1, 0, 9, 0x61)],
  ['UNSUBSCRIBE from a#', packets.unsubscribe('chargers/c1#')],
  ['PUBACK with message id 0', packets.puback(0)],
  ['PUBREC with message id 0', packets.pubrec(0)],
  ['PUBREL with message id 0', packets.pubrel(0)],
  ['PUBCOMP with message id 0', packets.pubcomp(0)]
]

export const malformed: readonly Malformed[] = [
  ...first.map(([what, bytes, returnCode]) => ({
    what,
    bytes,
    stage: 'first' as const,
    ...(returnCode !== undefined && { returnCode })
  })),
  ...open.map(([what, bytes]) => ({ what, bytes, stage: 'open' as const }))
]

/** Answers to unknown messages, and unusual packets that are legal. The connection stays open. */
export const harmless: readonly [what: string, bytes: Buffer][] = [
  ['PUBACK for an unknown message', packets.puback(999)],
  ['PUBREC for an unknown message', packets.pubrec(999)],
  ['PUBREL for an unknown message', packets.pubrel(999)],
  ['PUBCOMP for an unknown message', packets.pubcomp(999)],
  ['UNSUBSCRIBE from what was never subscribed', packets.unsubscribe('chargers/c1/x')],
  ['a filter that is refused', packets.subscribe('chargers/c2/#')],
  ['a length in more bytes than it needs', bytes(0xc0, 0x80, 0)]
]
