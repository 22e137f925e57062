// The answers to settled telemetry: PUBACK for QoS 1, PUBREC for QoS 2 [MQTT-3.4, 3.5], in one buffer.

import * as frames from './frames.ts'
import type { Received } from './received.ts'

const qos2 = 0x1_0000

/** The lane hands it back when a message is settled: the message id, and whether it was QoS 2. 0 for QoS 0. */
export const ticketOf = (messageId: number, qos: 1 | 2): number => (qos === 2 ? messageId | qos2 : messageId)

/** In the order of the tickets. Notes in `received` which messages have their PUBREC. */
export function answersTo(tickets: readonly number[], received: Received): Buffer {
  const bytes = Buffer.allocUnsafe(4 * tickets.length)
  let at = 0
  for (const ticket of tickets) {
    const isQos2 = ticket >= qos2
    if (isQos2) received.answer(ticket & 0xffff)
    bytes[at++] = (isQos2 ? frames.PUBREC : frames.PUBACK) << 4
    bytes[at++] = 2
    bytes[at++] = ticket >> 8
    bytes[at++] = ticket
  }
  return bytes
}
