// The QoS 2 messages of a connection that the gate took, from PUBLISH to PUBREL [MQTT-4.3.3-2]: each is taken once,
// however often it is sent, and their number is bounded.

import { receivedMessagesMax } from './limits.ts'

export class Received {
  /** By message id: false while in flight, true from PUBREC to PUBREL. Most connections never need it. */
  #messages: Map<number, boolean> | undefined

  hasRoomFor(messageId: number): boolean {
    const messages = this.#messages
    return messages === undefined || messages.size < receivedMessagesMax || messages.has(messageId)
  }

  /** The state of the message: `new` (from now on it is in flight), `in flight`, or `answered` with PUBREC. */
  arrive(messageId: number): 'new' | 'in flight' | 'answered' {
    this.#messages ??= new Map()
    const isAnswered = this.#messages.get(messageId)
    if (isAnswered === undefined) this.#messages.set(messageId, false)
    return isAnswered === undefined ? 'new' : isAnswered ? 'answered' : 'in flight'
  }

  answer(messageId: number): void {
    this.#messages!.set(messageId, true)
  }

  /** False for a message that was not answered: the PUBREL is not for the gate. */
  release(messageId: number): boolean {
    if (this.#messages?.get(messageId) !== true) return false
    this.#messages.delete(messageId)
    return true
  }
}
