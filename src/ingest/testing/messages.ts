// Messages and their senders for tests of the ingest path.

import { type Source, Telemetry } from '../../model/admission.ts'
import { Batch, Records } from '../batch.ts'

/** A connection that notes what it is told: `settle` per message, then `acknowledge` per batch. */
export class FakeSource implements Source {
  readonly identity: Source['identity']
  readonly told: (number | 'ack')[] = []
  onAcknowledge = (): void => {}

  constructor(name: string) {
    this.identity = { name, role: 'edge', chargers: [name], issuer: 'CN=test', serial: '01', validToMs: 0 }
  }

  settle(messageId: number): void {
    this.told.push(messageId)
  }

  acknowledge(): void {
    this.told.push('ack')
    this.onAcknowledge()
  }
}

export interface Message {
  readonly topic: string
  readonly payload: string | Buffer
  readonly dup?: boolean
  /** The identity that sent it. */
  readonly by?: string
}

/** The ranges of a message that lies somewhere inside of a chunk. */
export function ranges({ topic, payload }: Message): [Buffer, number, number, number, number] {
  const [topicBytes, payloadBytes] = [Buffer.from(topic, 'latin1'), Buffer.from(payload as string)]
  const chunk = Buffer.concat([Buffer.from('xx'), topicBytes, Buffer.from('xxx'), payloadBytes, Buffer.from('x')])
  return [chunk, 2, topicBytes.length, 5 + topicBytes.length, payloadBytes.length]
}

export function telemetry(
  ticket: number,
  dup: boolean,
  chunk: Buffer,
  topicAt: number,
  topicLength: number,
  payloadAt: number,
  payloadLength: number
): Telemetry {
  const topicEnd = topicAt + topicLength
  return Object.assign(new Telemetry(), {
    ticket,
    dup,
    chunk,
    topicAt,
    topicEnd,
    payloadAt,
    payloadEnd: payloadAt + payloadLength
  })
}

export function packed(messages: readonly Message[]): ArrayBuffer {
  const batch = new Batch()
  messages.forEach((message, i) => {
    batch.add(new FakeSource(message.by ?? 'c1'), telemetry(i + 1, message.dup ?? false, ...ranges(message)))
  })
  return batch.pack()
}

/** What a worker finds in a packed batch. */
export function unpacked(packed: ArrayBuffer): { topic: string; payload: Buffer; identity: number; dup: boolean }[] {
  const messages = []
  for (const records = new Records(packed); records.next(); ) {
    const { topic, payload, identity, dup } = records
    messages.push({ topic, payload, identity, dup })
  }
  return messages
}
