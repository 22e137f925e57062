// Aedes behind the gates, and its hooks: client ids, wills, commands, subscriptions. Telemetry never comes here.
// Serves retained messages from the shadow, fans out what advanced it, and says who is connected. Every hook answers and none throws:
// an exception in a hook of Aedes ends the process.

import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { Aedes, type AedesOptions, type AuthenticateError, type Client } from 'aedes'
import { atMost } from '../model/atMost.ts'
import { DeniedError } from '../model/errors.ts'
import { type Admission, type Identity, Run } from '../model/server/admission.ts'
import type { Budget } from '../model/server/budget.ts'
import { denial, type Peer, type ReportSecurity } from '../model/server/security.ts'
import { connectionName, parseTopic, topicOf } from '../model/wire/topics.ts'
import * as access from './access.ts'
import { deliverDirectly } from './aedes/delivery.ts'
import { Interest } from './aedes/interest.ts'
import { type Forwarded, type News, newsOf, timeUsOf } from './aedes/news.ts'
import { Sessions } from './aedes/sessions.ts'
import { Gate } from './gate/gate.ts'
import type { RateLimits } from './gate/rate.ts'
import { Shares } from './gate/shares.ts'
import { isClientIdOf } from './identity.ts'
import * as internals from './internals.ts'
import { clientFiltersMax, clientIdCharactersMax, closeTimeoutMs, connectTimeoutMs, drainTimeoutMs } from './limits.ts'
import { type OpenPersistence, openPersistence } from './persistence.ts'
import { Presence, type PresenceOptions } from './presence.ts'
import type { RedisLink } from './redis/redisLink.ts'
import { covers, type Mover, type Shadow, type ShadowEntry } from './shadow.ts'

export interface BrokerOptions {
  readonly admission: Admission
  readonly budget: Budget
  readonly limits: RateLimits
  readonly report: ReportSecurity
  /** Persistence, a client inside Aedes, or our own code failed. */
  readonly failed: (error: Error) => void
  /** To the Redis of several servers; undefined = this one is alone. */
  readonly link: RedisLink | undefined
  /** The broker watches it: subscribers are told what moves forward. */
  readonly shadow: Shadow
  readonly presence: Omit<PresenceOptions, 'report'>
}

export class Broker {
  readonly shadow: Shadow
  readonly presence: Presence
  readonly gates = new Set<Gate>()
  readonly #admission: Admission
  readonly #run = new Run()
  readonly #budget: Budget
  readonly #report: ReportSecurity
  readonly #failed: BrokerOptions['failed']
  readonly #interest = new Interest()
  readonly #news: News[] = []
  readonly #shares: Shares
  readonly #sessions = new Sessions()
  #aedes!: Aedes
  #persistence!: OpenPersistence

  static async open(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options)
    await broker.#start(options.link)
    return broker
  }

  private constructor(options: BrokerOptions) {
    const { admission, budget, limits, report, failed, shadow, presence } = options
    this.#admission = admission
    this.#budget = budget
    this.#shares = new Shares(limits)
    this.#report = report
    this.#failed = failed
    this.shadow = shadow
    shadow.watch((topic, entry, mover) => this.#moved(topic, entry, mover))
    this.presence = new Presence({
      ...presence,
      report: (charger, timeUs, payload, isNews) => {
        const topic = topicOf(charger, connectionName)
        const entry = shadow.move(topic, timeUs, payload, 'presented')
        if (entry !== undefined && isNews) this.#tell(topic, entry)
      }
    })
  }

  /** Messages that clean=false subscribers did not get because too many waited for them. */
  get offlineDropped(): number {
    return this.#persistence.offlineDropped()
  }

  /** Takes over a connection whose certificate was identified. */
  accept(socket: TLSSocket, identity: Identity): void {
    const { window, rate } = this.#shares.of(identity.name)
    window.join()
    const gate = new Gate({
      socket,
      identity,
      window,
      rate,
      budget: this.#budget,
      admission: this.#admission,
      run: this.#run,
      denied: (gate, error) => this.#denied(gate, error),
      failed: this.#failed
    })
    this.gates.add(gate)
    this.#budget.connected()
    gate.once('close', () => {
      this.gates.delete(gate)
      this.#budget.disconnected()
      // Not by Aedes' word: a connection that ends within its CONNECT can make Aedes forget an older one's end.
      this.presence.close(gate, identity)
      window.part()
    })
    deliverDirectly(this.#aedes.handle(gate), gate, packet => this.#isForwardedSafely(gate, packet))
  }

  /** Reads from no connection any more; what is in flight is still acknowledged. */
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
    this.presence.stop()
    // A client that does not close must not keep the server.
    const closed = [...this.gates].map(gate => new Promise(resolve => gate.once('close', resolve)))
    for (const gate of this.gates) gate.finish()
    await atMost(closeTimeoutMs, Promise.all(closed))
    await atMost(closeTimeoutMs, new Promise<void>(resolve => this.#aedes.close(resolve)))
    for (const gate of this.gates) gate.destroy()
  }

  async #start(link: RedisLink | undefined): Promise<void> {
    internals.dropNumberCache()
    this.#persistence = openPersistence({
      shadow: this.shadow,
      link,
      known: clientId => this.#sessions.connect(nameIn(clientId), clientId, false, () => true),
      maySubscribe: (client, filter) => gateOf(client as Client).filters.has(filter),
      failed: this.#failed
    })
    const { persistence, bus } = this.#persistence
    const options: AedesOptions = {
      connectTimeout: connectTimeoutMs,
      drainTimeout: drainTimeoutMs,
      concurrency: 0, // no bound: news for one subscriber never waits for another
      maxClientsIdLength: 128,
      persistence,
      ...(bus && { mq: bus.mq }),
      preConnect: (client, packet, done) =>
        done(
          ...this.#safely<[Error | null, boolean]>(
            () => this.#preConnect(gateOf(client), packet),
            error => [error, false]
          )
        ),
      authenticate: (client, _username, _password, done) => {
        const refusal = this.#safely(
          () => this.#refusal(client),
          error => error
        )
        done(refusal as AuthenticateError | null, refusal === null)
      },
      authorizePublish: (client, packet, done) => {
        packet.retain = false
        done(
          this.#safely(
            () => this.#publishFault(client, packet.topic),
            error => error
          )
        )
      },
      authorizeSubscribe: (client, subscription, done) =>
        done(
          null,
          this.#safely(
            () => this.#isGranted(client, subscription.topic),
            () => false
          )
            ? subscription
            : null
        ),
      authorizeForward: (client, packet) => (this.#isForwardedSafely(gateOf(client), packet) ? packet : null)
    }
    this.#aedes = await Aedes.createBroker(options)
    this.#listen(this.#aedes)
  }

  /** A hook that throws would end the process: it costs its own client the answer alone. */
  #safely<T>(answer: () => T, otherwise: (error: Error) => T): T {
    try {
      return answer()
    } catch (error) {
      this.#failed(error as Error)
      return otherwise(error as Error)
    }
  }

  #listen(aedes: Aedes): void {
    aedes.on('connackSent', ({ returnCode }, client) => {
      if (returnCode === 0) gateOf(client).open()
    })
    aedes.on('clientReady', client => {
      const gate = gateOf(client)
      const { identity, address } = gate
      this.#report({ event: 'connected', ...peerOf(gate), role: identity.role, clientId: client.id })
      const isCounted = identity.role === 'edge' && client.id === identity.name
      if (isCounted && !gate.destroyed) this.presence.connect(gate, identity, address)
    })
    aedes.on('clientDisconnect', client => {
      if (client.clean) this.#interest.forget(client.id)
      this.#report({ event: 'disconnected', ...peerOf(gateOf(client)), clientId: client.id })
    })
    aedes.on('subscribe', (subscriptions, client) => {
      for (const { topic, qos } of subscriptions)
        if ((qos as number) !== internals.deniedQos) this.#interest.subscribe(client.id, topic)
    })
    aedes.on('unsubscribe', (filters, client) => {
      // A closing client unsubscribes from everything; its session, if it keeps one, does not.
      if (client.closed) return
      for (const filter of filters) {
        gateOf(client).filters.delete(filter)
        this.#interest.unsubscribe(client.id, filter)
      }
    })
    // What a client does wrong is its own end.
    aedes.on('clientError', () => {})
    aedes.on('connectionError', () => {})
    internals.onBrokerError(aedes, error => this.#failed(error))
  }

  #preConnect(gate: Gate, packet: Parameters<NonNullable<AedesOptions['preConnect']>>[1]): [Error | null, boolean] {
    const connect = internals.connectPacketOf(packet)
    gate.keepalive.keepAlive(connect.keepalive)
    connect.keepalive = 0 // Aedes does not see telemetry: its timer would cut a busy client
    const fault = connect.will && this.#willFault(gate, connect.will.topic)
    if (fault === 'ignored') delete connect.will
    else if (fault !== undefined) {
      this.#denied(gate, fault)
      return [fault, false]
    }
    return [null, true]
  }

  /** A will is ruled on like a publish; one on an own topic is allowed and ignored: it never enters the telemetry path. */
  #willFault({ identity }: Gate, topic: string): DeniedError | 'ignored' | undefined {
    if (access.mayPublish(identity, topic)) return undefined
    const own = parseTopic(topic)
    if (identity.role === 'edge' && own !== undefined && identity.chargers!.includes(own.charger)) return 'ignored'
    return new DeniedError('will_topic', `expected a will on an own topic, found ${topic.slice(0, 120)}`)
  }

  #refusal(client: Client): Error | null {
    const gate = gateOf(client)
    if (!isClientIdOf(gate.identity, client.id)) {
      const { name } = gate.identity
      const found = client.id.slice(0, clientIdCharactersMax)
      const error = new DeniedError('client_id', `expected client id ${name} or ${name}:suffix, found ${found}`)
      this.#denied(gate, error)
      return internals.refusalWith(error, 2)
    }
    if (this.#budget.isOver) return internals.refusalWith(new Error('over the memory budget'), 3)
    this.#boundSessions(gate.identity, client)
    return null
  }

  #boundSessions({ name }: Identity, { id, clean }: Client): void {
    const ended = this.#sessions.connect(name, id, clean, other => internals.isConnected(this.#aedes, other))
    if (ended === undefined) return
    this.#interest.forget(ended)
    this.#persistence.forgetSession(ended).catch(this.#failed)
  }

  /** `client` is null when another node's will is published. */
  #publishFault(client: Client | null, topic: string): Error | null {
    if (client === null) return null
    const gate = gateOf(client)
    if (gate.errored instanceof DeniedError) return gate.errored // its right has ended: no will either
    if (access.mayPublish(gate.identity, topic)) return null
    const error = new DeniedError('publish_topic', `expected an own topic, found ${topic.slice(0, 120)}`)
    this.#denied(gate, error)
    return error
  }

  /** Asked for the filters of a SUBSCRIBE, and for those of a restored session. */
  #isGranted(client: Client, filter: string): boolean {
    const gate = gateOf(client)
    const { identity, filters } = gate
    if (!access.maySubscribe(identity, filter)) {
      this.#denied(gate, new DeniedError('subscribe_filter', `expected an own filter, found ${filter.slice(0, 120)}`))
      // One that outlived its right is dropped: it would fill the session's queue with what is never delivered.
      if (!client.clean) this.#forgetSubscription(client.id, filter)
      return false
    }
    if (filters.size >= clientFiltersMax && !filters.has(filter)) {
      const message = `expected at most ${clientFiltersMax} filters of a client, found another one`
      this.#denied(gate, new DeniedError('subscription_limit', message))
      return false
    }
    filters.add(filter)
    if (identity.role === 'edge') this.#introduce(filter)
    return true
  }

  #forgetSubscription(clientId: string, filter: string): void {
    this.#interest.unsubscribe(clientId, filter)
    this.#persistence.forgetSubscription(clientId, filter).catch(this.#failed)
  }

  #isForwardedSafely(gate: Gate, packet: Forwarded & { readonly retain: boolean }): boolean {
    return this.#safely(
      () => this.#isForwarded(gate, packet),
      () => false
    )
  }

  /** Whether the packet goes to this client; what is retained is made up to date. */
  #isForwarded(gate: Gate, packet: Forwarded & { readonly retain: boolean }): boolean {
    if (!access.mayRead(gate.identity, packet.topic)) return false
    if (packet.retain) this.#refresh(packet, gate.identity)
    else if (!internals.isQueued(packet) && (this.#isSuperseded(packet) || !gate.takesNews())) return false
    return true
  }

  /**
   * With several servers: through Redis only what a session that outlives its connection is to get. To the others' connected
   * subscribers the shared shadow brings what is newest.
   */
  #tell(topic: string, entry: ShadowEntry): void {
    if (this.#persistence.isKeptFor(topic)) {
      this.#aedes.publish(newsOf(topic, entry.payload), error => {
        if (error) this.#failed(error)
      })
    } else if (this.#interest.in(topic)) this.#emitHere(newsOf(topic, entry.payload))
  }

  /**
   * To connected subscribers of this server, past Aedes' search for sessions that wait for it. Not before all that is new now is
   * in the shadow: of two values of a topic the older one would be on its way while somebody who subscribes gets the newer one.
   */
  #emitHere(news: News): void {
    if (this.#news.push(news) > 1) return
    queueMicrotask(() => {
      const { bus } = this.#persistence
      for (const news of this.#news.splice(0)) {
        if (bus) bus.emitHere(news)
        else internals.emitterOf(this.#aedes).emit(news, () => {})
      }
    })
  }

  /** There is an answer for whoever asks for its own presence. An edge's filter names its charger. */
  #introduce(filter: string): void {
    const charger = filter.split('/')[1]!
    if (covers(filter, charger, connectionName)) this.presence.introduce(charger)
  }

  /**
   * What is retained was read some time ago, and news may have overtaken it since: it becomes what is newest now. An edge
   * that subscribes to its own presence gets the time of this moment with it.
   */
  #refresh(packet: Forwarded, { role }: Identity): void {
    const parts = parseTopic(packet.topic)
    if (parts?.name === connectionName && role === 'edge') {
      packet.payload = Buffer.from(this.presence.fresh(parts.charger))
    } else {
      const newest = this.shadow.get(packet.topic)
      if (newest !== undefined) packet.payload = Buffer.from(newest.payload)
    }
  }

  /** Something newer is known, and on its way behind this; or it was sent already, as a retained value. */
  #isSuperseded({ topic, payload, text = payload.toString() }: Forwarded): boolean {
    const newest = this.shadow.get(topic)
    if (text === newest?.payload || parseTopic(topic) === undefined) return false
    const timeUs = timeUsOf(text) ?? 0
    if (newest !== undefined && timeUs < newest.timeUs) return true
    // Another server's, that came before its shadow did: that one need not tell it again.
    this.shadow.move(topic, timeUs, text, 'relayed')
    return false
  }

  /** Tells subscribers what moved forward. Presence tells its own, and a relayed message is on its way already. */
  #moved(topic: string, entry: ShadowEntry, mover: Mover): void {
    if (mover === 'committed') this.#tell(topic, entry)
    else if (mover !== 'presented') {
      this.#hear(topic, entry)
      if (mover !== 'relayed' && this.#interest.in(topic)) this.#emitHere(newsOf(topic, entry.payload))
    }
  }

  /** What this server did not move forward itself. */
  #hear(topic: string, entry: ShadowEntry): void {
    if (!topic.endsWith(connectionName)) return
    const parts = parseTopic(topic)
    if (parts !== undefined) this.presence.hear(parts.charger, entry.timeUs, entry.payload)
  }

  #denied(gate: Gate, error: DeniedError): void {
    this.#report(denial(error, peerOf(gate)))
  }
}

/** Whose client id it is: a name has no colon. */
const nameIn = (clientId: string): string => clientId.split(':')[0]!

const gateOf = (client: Client): Gate => client.conn as Gate

const peerOf = ({ identity, address }: Gate): Peer => ({ identity: identity.name, serial: identity.serial, address })
