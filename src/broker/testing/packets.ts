// MQTT 3.1.1 packets as bytes, for tests that write to the gate directly.

export interface PublishOptions {
  readonly topic?: string | Buffer
  readonly payload?: string | Buffer
  readonly qos?: number
  readonly id?: number
  readonly dup?: boolean
  readonly retain?: boolean
}

export function packet(firstByte: number, ...parts: (Buffer | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map(part => Buffer.from(part as number[])))
  return Buffer.concat([Buffer.from([firstByte, ...varint(body.length)]), body])
}

export function varint(length: number): number[] {
  const bytes = []
  do {
    bytes.push((length % 128) | (length >= 128 ? 128 : 0))
    length = Math.floor(length / 128)
  } while (length > 0)
  return bytes
}

export const uint16 = (value: number): number[] => [value >> 8, value & 255]
export const text = (value: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from(uint16(Buffer.byteLength(value))), Buffer.from(value as string)])

export interface ConnectOptions {
  readonly protocol?: string
  readonly level?: number
  /** Replaces the flags that follow from the other options. */
  readonly flags?: number
  readonly clientId?: string | Buffer
  readonly clean?: boolean
  readonly keepalive?: number
  readonly will?: { readonly topic: string | Buffer; readonly payload: string; readonly qos: number }
  readonly userName?: string | Buffer
  readonly password?: string
}

export function connect(options: ConnectOptions = {}): Buffer {
  const {
    protocol = 'MQTT',
    level = 4,
    clientId = 'c1',
    clean = true,
    keepalive = 60,
    will,
    userName,
    password
  } = options
  const flags =
    (clean ? 2 : 0) |
    (will ? 4 | (will.qos << 3) : 0) |
    (userName !== undefined ? 0x80 : 0) |
    (password !== undefined ? 0x40 : 0)
  return packet(
    0x10,
    text(protocol),
    [level, options.flags ?? flags, ...uint16(keepalive)],
    text(clientId),
    will ? Buffer.concat([text(will.topic), text(will.payload)]) : [],
    userName === undefined ? [] : text(userName),
    password === undefined ? [] : text(password)
  )
}

export function publish({ topic = '', payload = '', qos = 1, id = 1, dup, retain }: PublishOptions = {}): Buffer {
  const flags = (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  return packet(0x30 | flags, text(topic), qos === 0 ? [] : uint16(id), Buffer.from(payload as string))
}

export const puback = (id: number): Buffer => packet(0x40, uint16(id))
export const pubrec = (id: number): Buffer => packet(0x50, uint16(id))
export const pubrel = (id: number): Buffer => packet(0x62, uint16(id))
export const pubcomp = (id: number): Buffer => packet(0x70, uint16(id))
export const subscribe = (filter: string, id = 1): Buffer => packet(0x82, uint16(id), text(filter), [1])
export const unsubscribe = (filter: string, id = 1): Buffer => packet(0xa2, uint16(id), text(filter))
export const pingreq = (): Buffer => packet(0xc0)
export const disconnect = (): Buffer => packet(0xe0)
