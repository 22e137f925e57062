// The broker: gates in front, Aedes behind them, and between both the shadow, the presence and the fan-out. It takes
// over identified connections, and is told what was committed. Telemetry ends at the gates and never reaches Aedes.

import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { atMost } from '../model/atMost.ts'
import { type Admission, type Identity, type Newest, Run } from '../model/server/admission.ts'
import type { Budget } from '../model/server/budget.ts'
import type { ReportSecurity } from '../model/server/security.ts'
import { connectionName, topicOf } from '../model/wire/topics.ts'
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
import { Shadow, type ShadowEntry } from './shadow.ts'

export interface BrokerOptions {
  readonly admission: Admission
  readonly budget: Budget
  readonly limits: RateLimits
  readonly report: ReportSecurity
  /** Persistence, a client inside Aedes, or our own code failed. */
  readonly failed: (error: Error) => void
  /** To the Redis of several servers; undefined = this one is alone. */
  readonly link: RedisLink | undefined
  /** A topic of the shadow moved forward. */
  readonly advanced: (topic: string, entry: ShadowEntry) => void
  /** The retained presence of a charger moved forward. */
  readonly presented: (topic: string, entry: ShadowEntry) => void
  /** Another server moved a topic forward. */
  readonly heard: (topic: string, entry: ShadowEntry) => void
  readonly presence: Omit<PresenceOptions, 'report'>
}

interface Parts {
  readonly shadow: Shadow
  readonly presence: Presence
  readonly fanOut: FanOut
  readonly forwarding: Forwarding
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
    const { link, budget, report, failed, presented, heard } = options
    const shadow = new Shadow()
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
        const entry = shadow.set(topic, timeUs, payload)
        if (entry === undefined) return
        presented(topic, entry)
        if (isNews) fanOut.tell(topic, entry)
      }
    })
    const forwarding = new Forwarding({ shadow, presence, heard })
    const hooks = new Hooks({ interest, sessions, persistence, presence, forwarding, budget, report, failed })
    const aedes = await openAedes(hooks, persistence)
    fanOut.open(aedes)
    return new Broker(options, { shadow, presence, fanOut, forwarding, persistence, hooks, aedes })
  }

  private constructor(options: BrokerOptions, parts: Parts) {
    this.#options = options
    this.#parts = parts
    this.#shares = new Shares(options.limits)
  }

  get shadow(): Shadow {
    return this.#parts.shadow
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

  /** Call after the acknowledgements of a batch: moves the shadow, and tells the news to the subscribers. */
  committed(newest: Newest): void {
    const { shadow, fanOut } = this.#parts
    shadow.advance(newest, (topic, entry) => {
      this.#options.advanced(topic, entry)
      fanOut.tell(topic, entry)
    })
  }

  /** What another server committed or presented: moves the shadow, and tells the subscribers of this server. */
  heard(newest: Newest): void {
    const { shadow, fanOut, forwarding } = this.#parts
    shadow.advance(newest, (topic, entry) => {
      forwarding.hear(topic, entry)
      fanOut.tellHere(topic, entry)
    })
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
