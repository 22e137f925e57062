// How messages of QoS 0 reach a subscriber: each is one packet, made once for all subscribers, past Aedes' way of
// writing. Aedes makes six writes into a stream for each subscriber, and takes two turns of the event loop: two thirds
// of the cost of a delivery. Aedes calls `deliver0` of its client for these messages; this one replaces it, and
// applies the same rules.

import type { Client } from 'aedes'
import * as frames from '../gate/frames.ts'
import { type ClientInside, type Delivered, insideOfClient } from '../internals.ts'

export interface Reader {
  /** Takes a whole packet; `done`: there is room for more. */
  deliver(packet: Buffer, done: () => void): void
}

/** `isForwarded` may change the payload. Messages keep the order in which Aedes delivers them. */
export function deliverDirectly(client: Client, reader: Reader, isForwarded: (packet: Delivered) => boolean): void {
  const inside = insideOfClient(client)
  inside.deliver0 = (packet, done) => {
    if (isNew(packet, inside.duplicates) && isForwarded(packet)) reader.deliver(publishOf(packet), done)
    else setImmediate(done)
  }
}

function isNew({ brokerId, brokerCounter }: Delivered, duplicates: ClientInside['duplicates']): boolean {
  if (!brokerId) return true
  if ((duplicates[brokerId] ?? 0) >= brokerCounter) return false
  duplicates[brokerId] = brokerCounter
  return true
}

/** The packet made last, and its payload: a message goes to all its subscribers before the next message does. */
let last: { readonly payload: unknown; readonly topic: string; readonly retain: boolean; readonly bytes: Buffer }

function publishOf({ topic, payload, retain }: Delivered): Buffer {
  if (last?.payload !== payload || last.topic !== topic || last.retain !== retain) {
    last = { payload, topic, retain, bytes: frames.publish(topic, payload, retain) }
  }
  return last.bytes
}
