// MQTT 3.1.1 framing: finds the frames of a byte stream, and checks what the parser of Aedes does not check.
// Pure, never reads past `chunk`, never throws; the functions on the path of telemetry allocate nothing.
// Source: OASIS MQTT 3.1.1, sections 1.5.3 (text), 2.2 (fixed header), 3.1 (CONNECT), 3.3 (PUBLISH), 3.8 (SUBSCRIBE),
// 3.10 (UNSUBSCRIBE), 4.7 (topics and filters).

import { isUtf8 } from 'node:buffer'
import type { DenyCode } from '../../model/errors.ts'

export const CONNECT = 1
export const PUBLISH = 3
export const PUBACK = 4
export const PUBREC = 5
export const PUBREL = 6
export const PUBCOMP = 7
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10
export const PINGREQ = 12
export const DISCONNECT = 14

/** Filled by `readFrame`; one per connection, reused. */
export class Frame {
  /** Packet type, the upper four bits of the first byte. */
  type = 0
  /** The lower four. */
  flags = 0
  /**
   * Where the variable header begins, and where the frame ends (exclusive; 0 for a partial frame of unknown length).
   */
  bodyAt = 0
  end = 0
}

export const complete = 0
/** More bytes are needed. */
export const partial = 1
/** The connection must be closed. */
export const malformed = 2
export const tooLarge = 3
export type FrameStatus = typeof complete | typeof partial | typeof malformed | typeof tooLarge

/** Reads the frame that begins at `at`. An oversized frame is known by its header, before its body has arrived. */
export function readFrame(chunk: Buffer, at: number, bytesMax: number, frame: Frame): FrameStatus {
  const first = chunk[at]!
  if (legalFirstByte[first] === 0) return malformed
  let position = at + 1
  let length = 0
  for (let shift = 0; ; shift += 7) {
    if (shift > 21) return malformed
    if (position >= chunk.length) {
      frame.end = 0
      return partial
    }
    const byte = chunk[position++]!
    length |= (byte & 127) << shift
    if (byte < 128) break
  }
  if (length > bytesMax) return tooLarge
  const type = first >> 4
  if (!isLegalLength(type, length)) return malformed
  frame.type = type
  frame.flags = first & 15
  frame.bodyAt = position
  frame.end = position + length
  return frame.end > chunk.length ? partial : complete
}

// 1 for every first byte that a client may send [MQTT-2.2.2-1, 3.3.1-2, 3.3.1-4].
const legalFirstByte = new Uint8Array(256)
for (const type of [CONNECT, PUBACK, PUBREC, PUBCOMP, PINGREQ, DISCONNECT]) legalFirstByte[type << 4] = 1
for (const type of [PUBREL, SUBSCRIBE, UNSUBSCRIBE]) legalFirstByte[(type << 4) | 2] = 1
for (let flags = 0; flags < 16; flags++) {
  const qos = (flags >> 1) & 3
  const dup = flags >> 3
  if (qos < 3 && !(qos === 0 && dup === 1)) legalFirstByte[(PUBLISH << 4) | flags] = 1
}

function isLegalLength(type: number, length: number): boolean {
  switch (type) {
    case PUBACK:
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
      return length === 2
    case PINGREQ:
    case DISCONNECT:
      return length === 0
    case PUBLISH:
      return length >= 3
    default:
      return length >= 5
  }
}

export const qosOf = (flags: number): number => (flags >> 1) & 3
export const readUInt16 = (chunk: Buffer, at: number): number => (chunk[at]! << 8) | chunk[at + 1]!

/** What is wrong with a packet, and the CONNACK return code that tells it to the client first; 0 = none. */
export interface Fault {
  readonly code: Extract<DenyCode, 'malformed_packet' | 'protocol' | 'subscription_limit'>
  readonly found: string
  readonly returnCode: 0 | 1 | 2
}

const malformedBy = (found: string): Fault => ({ code: 'malformed_packet', found, returnCode: 0 })

/** What is wrong with a complete packet that is no PUBLISH, if anything. */
export function packetFault(chunk: Buffer, frame: Frame, filtersMax: number): Fault | undefined {
  switch (frame.type) {
    case CONNECT:
      return connectFault(chunk, frame)
    case SUBSCRIBE:
      return filtersFault(chunk, frame, 1, filtersMax)
    case UNSUBSCRIBE:
      return filtersFault(chunk, frame, 0, filtersMax)
    case PINGREQ:
    case DISCONNECT:
      return undefined
    default:
      // An acknowledgement of an unknown message is harmless.
      return readUInt16(chunk, frame.bodyAt) === 0 ? messageId0 : undefined
  }
}

/** Undefined for a legal CONNECT of MQTT 3.1.1, or of 3.1. A legal one may still be refused for its client id. */
function connectFault(chunk: Buffer, { bodyAt, end }: Frame): Fault | undefined {
  let at = fieldEnd(chunk, bodyAt, end)
  if (at < 0) return malformedBy('a CONNECT that is cut short')
  const level = levels.get(chunk.toString('latin1', bodyAt + 2, Math.min(at, bodyAt + 8)))
  if (level === undefined || at > bodyAt + 8) return malformedBy('a CONNECT of another protocol')
  if (at + 4 > end) return malformedBy('a CONNECT that is cut short')
  // Behind the level of another version, the fields may be different [MQTT-3.1.2-2].
  if (chunk[at] !== level) return { code: 'protocol', found: `protocol level ${chunk[at]}`, returnCode: 1 }
  const flags = chunk[at + 1]!
  const flagsFound = connectFlagsFault(flags)
  if (flagsFound !== undefined) return malformedBy(flagsFound)
  at += 4
  for (const { flag, name, isText } of connectFields) {
    if ((flags & flag) !== flag) continue
    const fieldAt = at + 2
    at = fieldEnd(chunk, at, end)
    if (at < 0) return malformedBy(`a CONNECT that is too short for its ${name}`)
    if (isText && !isLegalText(chunk, fieldAt, at)) return malformedBy(`a ${name} with ${illegalText}`)
    if (name === 'client id' && at === fieldAt && (flags & cleanFlag) === 0) {
      return { code: 'protocol', found: 'an empty client id with clean=false', returnCode: 2 } // [MQTT-3.1.3-8]
    }
    if (name === 'will topic') {
      const found = topicFault(chunk, fieldAt, at)
      if (found !== undefined) return malformedBy(`a will with ${found}`)
    }
  }
  return at === end ? undefined : malformedBy('a CONNECT with bytes behind its last field')
}

/** The protocol level by protocol name. */
const levels = new Map([
  ['MQTT', 4],
  ['MQIsdp', 3]
])
const cleanFlag = 0x02
const willFlag = 0x04
const passwordFlag = 0x40
const userNameFlag = 0x80
/** In their order; each is there when all its flags are set. */
const connectFields = [
  { name: 'client id', flag: 0, isText: true },
  { name: 'will topic', flag: willFlag, isText: true },
  { name: 'will message', flag: willFlag, isText: false },
  { name: 'user name', flag: userNameFlag, isText: true },
  { name: 'password', flag: passwordFlag, isText: false }
] as const

function connectFlagsFault(flags: number): string | undefined {
  if ((flags & 1) !== 0) return 'the reserved flag of CONNECT' // [MQTT-3.1.2-3]
  if (qosOf(flags >> 2) === 3) return 'a will of QoS 3' // [MQTT-3.1.2-14]
  // [MQTT-3.1.2-13, 3.1.2-15, 3.1.2-22]
  if ((flags & willFlag) === 0 && (flags & 0x38) !== 0) return 'flags of a will without a will'
  if ((flags & passwordFlag) !== 0 && (flags & userNameFlag) === 0) return 'a password without a user name'
  return undefined
}

function filtersFault(chunk: Buffer, { bodyAt, end }: Frame, qosBytes: 0 | 1, filtersMax: number): Fault | undefined {
  if (readUInt16(chunk, bodyAt) === 0) return messageId0
  let count = 0
  for (let at = bodyAt + 2; at < end; count++) {
    const filterEnd = fieldEnd(chunk, at, end)
    if (filterEnd < 0 || filterEnd + qosBytes > end) return malformedBy('a packet that is too short for its filters')
    const found = filterFault(chunk, at + 2, filterEnd)
    if (found !== undefined) return malformedBy(found)
    // [MQTT-3.8.3-4]
    if (qosBytes === 1 && chunk[filterEnd]! > 2) return malformedBy('a requested QoS above 2, or reserved bits')
    at = filterEnd + qosBytes
  }
  if (count === 0) return malformedBy('no filter') // [MQTT-3.8.3-3, 3.10.3-2]
  return count <= filtersMax ? undefined : { code: 'subscription_limit', found: `${count} filters`, returnCode: 0 }
}

const messageId0 = malformedBy('message id 0') // [MQTT-2.3.1-1]

/** What is wrong with a topic to publish to, if anything [MQTT-3.3.2-2, 4.7.3-1]. */
export function topicFault(chunk: Buffer, from: number, to: number): string | undefined {
  if (from === to) return 'an empty topic'
  if (!isLegalText(chunk, from, to)) return `a topic with ${illegalText}`
  for (let at = from; at < to; at++) if (chunk[at] === hash || chunk[at] === plus) return 'a topic with a wildcard'
  return undefined
}

/** A wildcard stands alone in its level, and `#` at the end [MQTT-4.7.1-2, 4.7.1-3]. */
function filterFault(chunk: Buffer, from: number, to: number): string | undefined {
  if (from === to) return 'an empty filter'
  if (!isLegalText(chunk, from, to)) return `a filter with ${illegalText}`
  for (let at = from; at < to; at++) {
    if (chunk[at] !== hash && chunk[at] !== plus) continue
    const begins = at === from || chunk[at - 1] === slash
    const ends = at + 1 === to || (chunk[at] === plus && chunk[at + 1] === slash)
    if (!begins || !ends) return 'a filter with a wildcard that shares its level'
  }
  return undefined
}

const hash = 0x23
const plus = 0x2b
const slash = 0x2f

const illegalText = 'ill-formed UTF-8, or a control or non-character'
/** NUL and surrogates are forbidden [MQTT-1.5.3-1, 1.5.3-2]; a server may refuse the other ones. */
const illegalCharacters = /[\p{Cc}\p{Noncharacter_Code_Point}]/u

function isLegalText(chunk: Buffer, from: number, to: number): boolean {
  let at = from
  while (at < to && chunk[at]! >= 0x20 && chunk[at]! < 0x7f) at++
  if (at === to) return true
  const bytes = chunk.subarray(from, to)
  return isUtf8(bytes) && !illegalCharacters.test(bytes.toString())
}

/** Where a field with its length in front ends, or -1 when the packet ends before. */
function fieldEnd(chunk: Buffer, at: number, end: number): number {
  if (at + 2 > end) return -1
  const fieldEnd = at + 2 + readUInt16(chunk, at)
  return fieldEnd <= end ? fieldEnd : -1
}

/** [MQTT-2.2.3] */
export function remainingLength(length: number): number[] {
  const bytes: number[] = []
  for (let rest = length; ; ) {
    const seven = rest & 127
    rest >>= 7
    bytes.push(rest > 0 ? seven | 128 : seven)
    if (rest === 0) return bytes
  }
}

/** A PUBLISH of QoS 0. */
export function publish(topic: string, payload: Buffer | string, retain: boolean): Buffer {
  const topicBytes = Buffer.byteLength(topic)
  const length = 2 + topicBytes + Buffer.byteLength(payload)
  const header = [(PUBLISH << 4) | (retain ? 1 : 0), ...remainingLength(length)]
  const packet = Buffer.allocUnsafe(header.length + length)
  packet.set(header)
  const at = packet.writeUInt16BE(topicBytes, header.length)
  packet.write(topic, at)
  if (typeof payload === 'string') packet.write(payload, at + topicBytes)
  else packet.set(payload, at + topicBytes)
  return packet
}

/** A CONNACK that refuses. */
export const connack = (returnCode: number): number[] => [0x20, 2, 0, returnCode]

/** An acknowledgement of four bytes: type, message id. */
export const acknowledgement = (type: number, messageId: number): number[] => [
  (type << 4) | (type === PUBREL ? 2 : 0),
  2,
  messageId >> 8,
  messageId & 255
]
