// What is asked of each message before it goes to a subscriber: whether the subscriber may read it, whether it is still
// the newest, and whether the subscriber keeps up. Retained messages are brought up to date on their way.

import { connectionName, parseTopic } from '../../model/wire/topics.ts'
import * as access from '../access.ts'
import type { Gate } from '../gate/gate.ts'
import { isQueued } from '../internals.ts'
import type { Presence } from '../presence.ts'
import type { Shadow } from '../shadow.ts'
import { type Forwarded, timeUsOf } from './news.ts'

export interface ForwardingOptions {
  readonly shadow: Shadow
  readonly presence: Presence
}

export class Forwarding {
  readonly #options: ForwardingOptions

  constructor(options: ForwardingOptions) {
    this.#options = options
  }

  /** Whether the packet goes to this client. The payload of a retained one is made up to date. */
  isForwarded(gate: Gate, packet: Forwarded & { readonly retain: boolean }): boolean {
    if (!access.mayRead(gate.identity, packet.topic)) return false
    if (packet.retain) this.#refresh(packet, gate)
    // The queue of a session that was away is history: in its order, and never superseded.
    else if (!isQueued(packet) && (this.#isSuperseded(packet) || !gate.takesNews())) return false
    return true
  }

  /**
   * A retained message was read some time ago, and news may have overtaken it since: it gets the newest value. An
   * edge that subscribes to its own presence gets the time of this moment with it.
   */
  #refresh(packet: Forwarded, { identity }: Gate): void {
    const { shadow, presence } = this.#options
    const parts = parseTopic(packet.topic)
    if (parts?.name === connectionName && identity.role === 'edge') {
      packet.payload = Buffer.from(presence.fresh(parts.charger))
    } else {
      const newest = shadow.get(packet.topic)
      if (newest !== undefined) packet.payload = Buffer.from(newest.payload)
    }
  }

  /** Something newer is known, and on its way behind this; or it was sent already, as a retained value. */
  #isSuperseded({ topic, payload, text = payload.toString() }: Forwarded): boolean {
    const { shadow } = this.#options
    const newest = shadow.get(topic)
    if (text === newest?.payload || parseTopic(topic) === undefined) return false
    const timeUs = timeUsOf(text) ?? 0
    if (newest !== undefined && timeUs < newest.timeUs) return true
    // News of another server may come before the shared shadow does: the shadow.s copy is not news then.
    shadow.move(topic, timeUs, text, 'relayed')
    return false
  }
}
