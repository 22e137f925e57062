// MQTT 3.1.1 framing: finds the frames of a byte stream and checks what the parser behind it is lax about.
// Pure, allocates nothing, never reads past `chunk`.
// Source: OASIS MQTT 3.1.1, sections 2.2 (fixed header), 3.3 (PUBLISH).

export const CONNECT = 1
export const PUBLISH = 3
export const PUBACK = 4
export const PUBREC = 5
export const PUBREL = 6
export const PUBCOMP = 7
export const SUBSCRIBE = 8
export const UNSUBSCRIBE = 10
export const PINGREQ = 12
export const DISCONNECT = 14

/** Filled by `readFrame`; one per connection, reused. */
export class Frame {
  /** Packet type, the upper four bits of the first byte. */
  type = 0
  /** The lower four. */
  flags = 0
  /** Where the variable header begins, and where the frame ends (exclusive). */
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

/** Reads the frame that begins at `at`. An oversized one is known by its header, before its body has arrived. */
export function readFrame(chunk: Buffer, at: number, bytesMax: number, frame: Frame): FrameStatus {
  const first = chunk[at]!
  if (legalFirstByte[first] === 0) return malformed
  let position = at + 1
  let length = 0
  for (let shift = 0; ; shift += 7) {
    if (shift > 21) return malformed
    if (position >= chunk.length) return partial
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
export const isDup = (flags: number): boolean => (flags & 8) !== 0
export const readUInt16 = (chunk: Buffer, at: number): number => (chunk[at]! << 8) | chunk[at + 1]!

/** An acknowledgement of four bytes: type, message id. */
export const acknowledgement = (type: number, messageId: number): number[] => [
  (type << 4) | (type === PUBREL ? 2 : 0),
  2,
  messageId >> 8,
  messageId & 255
]
