// The broker: gates in front, Aedes behind them, and between both the shadow, the presence and the fan-out. It takes
// over identified connections, and is told what was committed. Telemetry ends at the gates and never reaches Aedes.

import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { atMost } from '../model/atMost.ts'
import { type Admission, type Identity, Run } from '../model/server/admission.ts'
import type { Budget } from '../model/server/budget.ts'
import type { ReportSecurity } from '../model/server/security.ts'
import { connectionName, parseTopic, topicOf } from '../model/wire/topics.ts'
import { deliverDirectly } from './aedes/delivery.ts'
import { FanOut } from './aedes/fanOut.ts'
import { Forwarding } from './aedes/forwarding.ts'
import { Hooks, isGranted } from './aedes/hooks.ts'
import { Interest } from './aedes/interest.ts'
import { type Aedes, openAedes } from './aedes/openAedes.ts'
import type { OpenPersistence } from './aedes/persistence.ts'
import { Sessions } from './aedes/sessions.ts'
import { Gate } from './gate/gate.ts'
import type { RateLimits } from './gate/rate.ts'
import { Shares } from './gate/shares.ts'
import { closeTimeoutMs } from './limits.ts'
import { openPersistence } from './persistence.ts'
import { Presence, type PresenceOptions } from './presence.ts'
import type { RedisLink } from './redis/redisLink.ts'
import type { Mover, Shadow, ShadowEntry } from './shadow.ts'

export interface BrokerOptions {
  readonly admission: Admission
  readonly budget: Budget
  readonly limits: RateLimits
  readonly report: ReportSecurity
  /** Persistence, a client inside Aedes, or our own code failed. */
  readonly failed: (error: Error) => void
  /** To the Redis of several servers; undefined = this one is alone. */
  readonly link: RedisLink | undefined
  /** The broker watches it, and tells subscribers what moves forward. */
  readonly shadow: Shadow
  readonly presence: Omit<PresenceOptions, 'report'>
}

interface Parts {
  readonly presence: Presence
  readonly persistence: OpenPersistence
  readonly hooks: Hooks
  readonly aedes: Aedes
}

export class Broker {
  readonly gates = new Set<Gate>()
  readonly #options: BrokerOptions
  readonly #parts: Parts
  readonly #run = new Run()
  readonly #shares: Shares

  static async open(options: BrokerOptions): Promise<Broker> {
    const { shadow, link, budget, report, failed } = options
    const interest = new Interest()
    const sessions = new Sessions()
    const persistence = openPersistence({
      shadow,
      link,
      known: clientId => sessions.connect(nameIn(clientId), clientId, false, () => true),
      maySubscribe: isGranted,
      failed
    })
    const fanOut = new FanOut({ interest, persistence, failed })
    const presence = new Presence({
      ...options.presence,
      report: (charger, timeUs, payload, isNews) => {
        const topic = topicOf(charger, connectionName)
        const entry = shadow.move(topic, timeUs, payload, 'presented')
        if (entry !== undefined && isNews) fanOut.tell(topic, entry)
      }
    })
    const forwarding = new Forwarding({ shadow, presence })
    const hooks = new Hooks({ interest, sessions, persistence, presence, forwarding, budget, report, failed })
    const aedes = await openAedes(hooks, persistence)
    fanOut.open(aedes)
    shadow.watch((topic, entry, mover) => {
      if (mover !== 'committed' && mover !== 'presented') hear(presence, topic, entry)
      if (isToldHere(mover)) fanOut.tellHere(topic, entry)
      else if (mover === 'committed') fanOut.tell(topic, entry)
    })
    return new Broker(options, { presence, persistence, hooks, aedes })
  }

  private constructor(options: BrokerOptions, parts: Parts) {
    this.#options = options
    this.#parts = parts
    this.#shares = new Shares(options.limits)
  }

  get shadow(): Shadow {
    return this.#options.shadow
  }

  get presence(): Presence {
    return this.#parts.presence
  }

  /** Messages that clean=false subscribers did not get because too many waited for them. */
  get offlineDropped(): number {
    return this.#parts.persistence.offlineDropped()
  }

  /** Takes over a connection whose certificate was identified. */
  accept(socket: TLSSocket, identity: Identity): void {
    const { budget, admission, failed } = this.#options
    const { hooks, aedes, presence } = this.#parts
    const { window, rate } = this.#shares.of(identity.name)
    window.join()
    const run = this.#run
    const denied = hooks.denied.bind(hooks)
    const gate = new Gate({ socket, identity, window, rate, budget, admission, run, denied, failed })
    this.gates.add(gate)
    budget.connected()
    gate.once('close', () => {
      this.gates.delete(gate)
      budget.disconnected()
      // Not by Aedes' event: if a connection ends within its CONNECT, Aedes can miss the end of an older one.
      presence.close(gate, identity)
      window.part()
    })
    deliverDirectly(aedes.handle(gate), gate, packet => hooks.isForwarded(gate, packet))
  }

  /** Reads from no connection any more. Messages in flight are still acknowledged. */
  stopReading(): void {
    for (const gate of this.gates) gate.stopReading()
  }

  /** Closes the connections evenly over `ms`, each when it is acknowledged, so that not all reconnect at once. */
  async drain(ms: number): Promise<void> {
    const gates = [...this.gates]
    for (const gate of gates) {
      await sleep(ms / gates.length)
      gate.finish()
    }
  }

  async close(): Promise<void> {
    const { presence, aedes } = this.#parts
    presence.stop()
    // A client that does not close must not keep the server.
    const closed = [...this.gates].map(gate => new Promise(resolve => gate.once('close', resolve)))
    for (const gate of this.gates) gate.finish()
    await atMost(closeTimeoutMs, Promise.all(closed))
    await atMost(closeTimeoutMs, new Promise<void>(resolve => aedes.close(resolve)))
    for (const gate of this.gates) gate.destroy()
  }
}

/** The identity that a client id belongs to: a name has no colon. */
const nameIn = (clientId: string): string => clientId.split(':')[0]!

/**
 * Another server moved these topics forward, and only this server's subscribers lack them. Presence tells its own news,
 * and a relayed message is on its way already.
 */
const isToldHere = (mover: Mover): boolean => mover === 'heard' || mover === 'loaded'

/** Presence learns what this server did not move forward itself. */
function hear(presence: Presence, topic: string, entry: ShadowEntry): void {
  if (!topic.endsWith(connectionName)) return
  const parts = parseTopic(topic)
  if (parts !== undefined) presence.hear(parts.charger, entry.timeUs, entry.payload)
}
