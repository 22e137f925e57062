// What clean=false subscribers have not acknowledged yet, while they are away or here: per client at most a fixed number
// of messages; the oldest go first, and are counted. A message is found by its place in the fan-out, or by the message id
// it was sent with, without a search.

import { offlineQueueMessagesMax } from '../model/limits.ts'

/** A message of Aedes, or the PUBREL that took its place. */
export interface QueuedPacket {
  readonly cmd: string
  readonly brokerId?: string
  readonly brokerCounter?: number
  readonly messageId?: number
}

interface Queue {
  /** In the order of fan-out. */
  readonly packets: Map<string, QueuedPacket>
  readonly keysByMessageId: Map<number, string>
}

export class OfflineQueue {
  readonly #queues = new Map<string, Queue>()
  readonly #messagesMax: number
  /** Messages that went unread because there were too many. */
  dropped = 0

  constructor(messagesMax = offlineQueueMessagesMax) {
    this.#messagesMax = messagesMax
  }

  enqueue(clientId: string, packet: QueuedPacket): void {
    const { packets, keysByMessageId } = this.#queueOf(clientId)
    // A copy of its own for each client: they get different message ids. None yet.
    packets.set(keyOf(packet), { ...packet, messageId: undefined } as unknown as QueuedPacket)
    if (packets.size <= this.#messagesMax) return
    const [key, oldest] = packets.entries().next().value!
    packets.delete(key)
    if (oldest.messageId !== undefined) keysByMessageId.delete(oldest.messageId)
    this.dropped++
  }

  /** It was sent with this message id; or it is the PUBREL for that id. One that was dropped meanwhile is not kept again. */
  update(clientId: string, packet: QueuedPacket): void {
    const { packets, keysByMessageId } = this.#queueOf(clientId)
    const messageId = packet.messageId!
    if (packet.brokerId === undefined) {
      const key = keysByMessageId.get(messageId)
      if (key !== undefined) packets.set(key, packet)
      return
    }
    const key = keyOf(packet)
    const known = packets.get(key)
    if (known === undefined) return
    if (known.messageId !== undefined) keysByMessageId.delete(known.messageId)
    packets.set(key, { ...known, messageId })
    keysByMessageId.set(messageId, key)
  }

  /** It was acknowledged, or will not be sent: then it has no message id. Returns it. */
  clear(clientId: string, packet: QueuedPacket): QueuedPacket | undefined {
    const queue = this.#queues.get(clientId)
    const { messageId } = packet
    const key = messageId === undefined ? keyOf(packet) : queue?.keysByMessageId.get(messageId)
    const found = key === undefined ? undefined : queue?.packets.get(key)
    if (queue === undefined || key === undefined || found === undefined) return undefined
    queue.packets.delete(key)
    if (found.messageId !== undefined) queue.keysByMessageId.delete(found.messageId)
    if (queue.packets.size === 0) this.#queues.delete(clientId)
    return found
  }

  /** What is queued now, oldest first. */
  list(clientId: string): QueuedPacket[] {
    return [...(this.#queues.get(clientId)?.packets.values() ?? [])]
  }

  /** The session ended. */
  forget(clientId: string): void {
    this.#queues.delete(clientId)
  }

  #queueOf(clientId: string): Queue {
    let queue = this.#queues.get(clientId)
    if (queue === undefined) {
      queue = { packets: new Map(), keysByMessageId: new Map() }
      this.#queues.set(clientId, queue)
    }
    return queue
  }
}

const keyOf = ({ brokerId, brokerCounter }: QueuedPacket): string => `${brokerId}:${brokerCounter}`
