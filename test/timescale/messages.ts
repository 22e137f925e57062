// The parts of PostgreSQL's wire protocol (version 3) that the wire server needs. It cuts a stream into messages and
// builds the few messages that the wire server sends itself.
// [https://www.postgresql.org/docs/17/protocol-message-formats.html]

export interface Message {
  /** The letter of the message's kind. */
  readonly type: string
  readonly body: Buffer
  /** The whole message with its header, as it was sent. */
  readonly bytes: Buffer
}

/** Returns the whole messages at the start of `bytes`, and the bytes that are left. */
export function cut(bytes: Buffer): { messages: Message[]; rest: Buffer } {
  const messages: Message[] = []
  let at = 0
  while (bytes.length >= at + 5) {
    const end = at + 1 + bytes.readUInt32BE(at + 1)
    if (end > bytes.length) break
    const type = String.fromCharCode(bytes[at]!)
    messages.push({ type, body: bytes.subarray(at + 5, end), bytes: bytes.subarray(at, end) })
    at = end
  }
  return { messages, rest: bytes.subarray(at) }
}

/** Builds a message. A string ends with a zero byte. A number has 32 bits. */
export function message(type: string, ...parts: readonly (string | number | Uint8Array)[]): Buffer {
  const body = Buffer.concat(parts.map(partBytes))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function partBytes(part: string | number | Uint8Array): Uint8Array {
  if (typeof part === 'string') return Buffer.from(`${part}\0`)
  if (typeof part !== 'number') return part
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(part)
  return bytes
}

export const readyForQuery = message('Z', Buffer.from('I'))
export const queryMessage = (sql: string): Buffer => message('Q', sql)
export const commandComplete = (tag: string): Buffer => message('C', tag)
export const textOf = (body: Buffer): string => body.toString('utf8', 0, body.indexOf(0))

export function errorResponse(severity: 'ERROR' | 'FATAL', code: string, text: string): Buffer {
  const fields = { S: severity, V: severity, C: code, M: text }
  const encoded = Object.entries(fields).map(([key, value]) => Buffer.from(`${key}${value}\0`))
  return message('E', ...encoded, Buffer.from([0]))
}

/** Names no columns, because pg-copy-streams knows what it sends. */
export const copyInResponse = (isBinary: boolean): Buffer => message('G', Buffer.from([isBinary ? 1 : 0, 0, 0]))
