// MQTT 3.1.1 packets as bytes, for tests that speak to the gate themselves.

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
const text = (value: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from(uint16(Buffer.byteLength(value))), Buffer.from(value as string)])

export const connect = (clientId = 'c1'): Buffer => packet(0x10, text('MQTT'), [4, 2, 0, 60], text(clientId))

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
