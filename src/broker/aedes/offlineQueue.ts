// The messages that clean=false subscribers have not acknowledged yet, whether they are connected or away. A client has
// a fixed number of messages at most, and all clients together a fixed number of bytes. Over a limit the oldest
// messages are dropped and counted; over the common limit those of the longest queue. A message is found without a
// search: by its number in the fan-out, or by the message id with which it was sent.

import { offlineQueueBytesMax, offlineQueueMessagesMax } from '../limits.ts'

/** A message of Aedes, or the PUBREL that took its place. */
export interface QueuedPacket {
  readonly cmd: string
  readonly brokerId?: string
  readonly brokerCounter?: number
  readonly messageId?: number
  readonly topic?: string
  readonly payload?: Buffer | string
}

interface Queue {
  /** In the order of fan-out. */
  readonly packets: Map<string, QueuedPacket>
  readonly keysByMessageId: Map<number, string>
  bytes: number
}

export class OfflineQueue {
  readonly #queues = new Map<string, Queue>()
  readonly #messagesMax: number
  readonly #bytesMax: number
  #bytes = 0
  /** Messages that went unread because there were too many. */
  dropped = 0

  constructor(messagesMax = offlineQueueMessagesMax, bytesMax = offlineQueueBytesMax) {
    this.#messagesMax = messagesMax
    this.#bytesMax = bytesMax
  }

  enqueue(clientId: string, packet: QueuedPacket): void {
    const queue = this.#queueOf(clientId)
    // Each client gets a copy of its own, because message ids differ. There is none yet.
    this.#put(queue, keyOf(packet), { ...packet, messageId: undefined } as unknown as QueuedPacket)
    if (queue.packets.size > this.#messagesMax) this.#drop(queue, 1)
    while (this.#bytes > this.#bytesMax) this.#shorten()
  }

  /** The message was sent with this id, or a PUBREL takes its place. A message dropped meanwhile is not kept again. */
  update(clientId: string, packet: QueuedPacket): void {
    const queue = this.#queues.get(clientId)
    if (queue === undefined) return
    const messageId = packet.messageId!
    if (packet.brokerId === undefined) {
      const key = queue.keysByMessageId.get(messageId)
      if (key !== undefined) this.#put(queue, key, packet)
      return
    }
    const key = keyOf(packet)
    const known = queue.packets.get(key)
    if (known === undefined) return
    if (known.messageId !== undefined) queue.keysByMessageId.delete(known.messageId)
    this.#put(queue, key, { ...known, messageId })
    queue.keysByMessageId.set(messageId, key)
  }

  /** The message was acknowledged; or, if it has no message id, it will not be sent. Returns it. */
  clear(clientId: string, packet: QueuedPacket): QueuedPacket | undefined {
    const queue = this.#queues.get(clientId)
    const { messageId } = packet
    const key = messageId === undefined ? keyOf(packet) : queue?.keysByMessageId.get(messageId)
    const found = key === undefined ? undefined : queue?.packets.get(key)
    if (queue === undefined || key === undefined || found === undefined) return undefined
    this.#remove(queue, key, found)
    if (queue.packets.size === 0) this.#queues.delete(clientId)
    return found
  }

  /** The queue of now, oldest first. */
  list(clientId: string): QueuedPacket[] {
    return [...(this.#queues.get(clientId)?.packets.values() ?? [])]
  }

  /** The session ended. */
  forget(clientId: string): void {
    this.#bytes -= this.#queues.get(clientId)?.bytes ?? 0
    this.#queues.delete(clientId)
  }

  /** The longest queue loses its older half: so the search for it is rare. */
  #shorten(): void {
    let longest: Queue | undefined
    for (const queue of this.#queues.values()) if (queue.bytes > (longest?.bytes ?? 0)) longest = queue
    this.#drop(longest!, Math.ceil(longest!.packets.size / 2))
  }

  /** Drops the oldest messages. */
  #drop(queue: Queue, count: number): void {
    this.dropped += count
    for (const [key, packet] of queue.packets) {
      if (count-- === 0) return
      this.#remove(queue, key, packet)
    }
  }

  #put(queue: Queue, key: string, packet: QueuedPacket): void {
    const bytes = bytesOf(packet) - bytesOf(queue.packets.get(key))
    queue.packets.set(key, packet)
    queue.bytes += bytes
    this.#bytes += bytes
  }

  #remove(queue: Queue, key: string, packet: QueuedPacket): void {
    queue.packets.delete(key)
    if (packet.messageId !== undefined) queue.keysByMessageId.delete(packet.messageId)
    queue.bytes -= bytesOf(packet)
    this.#bytes -= bytesOf(packet)
  }

  #queueOf(clientId: string): Queue {
    let queue = this.#queues.get(clientId)
    if (queue === undefined) {
      queue = { packets: new Map(), keysByMessageId: new Map(), bytes: 0 }
      this.#queues.set(clientId, queue)
    }
    return queue
  }
}

export const keyOf = ({ brokerId, brokerCounter }: QueuedPacket): string => `${brokerId}:${brokerCounter}`

/** The memory of an entry beside its text: the object, its key, its places in the maps. */
export const entryBytes = 400
const bytesOf = (packet: QueuedPacket | undefined): number =>
  packet === undefined ? 0 : entryBytes + (packet.topic?.length ?? 0) + (packet.payload?.length ?? 0)
