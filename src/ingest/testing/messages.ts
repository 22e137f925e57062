// Messages and their senders for tests of the ingest path.

import { Run, runOf, type Source } from '../../model/server/admission.ts'
import { Batch, Records } from '../batch.ts'

/**
 * A connection that records its calls: the ticket of each message for `settle`, then one `ack` for what it would write.
 */
export class FakeSource implements Source {
  readonly identity: Source['identity']
  readonly told: (number | 'ack')[] = []
  onAcknowledge = (): void => {}

  constructor(name: string) {
    this.identity = { name, role: 'edge', chargers: [name], issuer: 'CN=test', serial: '01', validToMs: 0 }
  }

  settle(tickets: readonly number[], from: number, end: number): void {
    this.told.push(...tickets.slice(from, end))
  }

  acknowledge(): void {
    if (this.told.length === 0 || this.told.at(-1) === 'ack') return
    this.told.push('ack')
    this.onAcknowledge()
  }
}

export interface Message {
  readonly topic: string
  readonly payload: string | Buffer
  readonly dup?: boolean
  /** The identity that sent the message. */
  readonly by?: string
}

/** A run of one message that lies somewhere inside a chunk. */
export function runIn({ topic, payload, dup = false }: Message, ticket: number): Run {
  const run = runOf({ topic, payload: Buffer.from(payload as string), ticket, dup })
  const around = [Buffer.from('xx'), Buffer.from('xxx')] as const
  run.chunk = Buffer.concat([around[0], run.chunk, around[1]])
  run.from += around[0].length
  run.end += around[0].length
  return run
}

/** The message of a run that has only one message. */
export function messageIn({ chunk, from, end, tickets }: Run): Message & { readonly ticket: number } {
  const batch = new Batch()
  batch.add(new FakeSource('c1'), Object.assign(new Run(), { chunk, from, end, tickets }))
  const [{ topic, payload, dup }] = unpacked(batch.pack()) as [Unpacked]
  return { topic, payload: payload.toString('latin1'), dup, ticket: tickets[0]! }
}

/** One run with several messages. */
export function runOfAll(messages: readonly Message[], firstTicket: number): Run {
  const run = new Run()
  const runs = messages.map((message, i) => runIn(message, firstTicket === 0 ? 0 : firstTicket + i))
  run.chunk = Buffer.concat(runs.map(({ chunk, from, end }) => chunk.subarray(from, end)))
  run.end = run.chunk.length
  run.tickets.push(...runs.flatMap(({ tickets }) => tickets))
  return run
}

export function packed(messages: readonly Message[]): ArrayBuffer {
  const batch = new Batch()
  messages.forEach((message, i) => {
    batch.add(new FakeSource(message.by ?? 'c1'), runIn(message, (i % 65_535) + 1))
  })
  return batch.pack()
}

interface Unpacked {
  readonly topic: string
  readonly payload: Buffer
  readonly identity: number
  readonly dup: boolean
}

/** The messages that a worker finds in a packed batch. */
export function unpacked(packed: ArrayBuffer): Unpacked[] {
  const messages = []
  for (const records = new Records(packed); records.next(); ) {
    const { topic, payload, identity, dup } = records
    messages.push({ topic, payload, identity, dup })
  }
  return messages
}
