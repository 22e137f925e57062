// The hooks of Aedes: client ids, wills, commands, subscriptions, and who is connected. Telemetry never comes here.
// Every hook answers and none throws: an exception in a hook of Aedes ends the process.

import type { Aedes, AedesOptions, AuthenticateError, Client } from 'aedes'
import { DeniedError } from '../../model/errors.ts'
import type { Identity } from '../../model/server/admission.ts'
import type { Budget } from '../../model/server/budget.ts'
import { denial, type Peer, type ReportSecurity } from '../../model/server/security.ts'
import { connectionName, parseTopic } from '../../model/wire/topics.ts'
import * as access from '../access.ts'
import type { Gate } from '../gate/gate.ts'
import { isClientIdOf } from '../identity.ts'
import * as internals from '../internals.ts'
import { clientFiltersMax, clientIdCharactersMax } from '../limits.ts'
import type { Presence } from '../presence.ts'
import { covers } from '../shadow.ts'
import type { Forwarding } from './forwarding.ts'
import type { Interest } from './interest.ts'
import type { Forwarded } from './news.ts'
import type { OpenPersistence } from './persistence.ts'
import type { Sessions } from './sessions.ts'

export interface HooksOptions {
  readonly interest: Interest
  readonly sessions: Sessions
  readonly persistence: OpenPersistence
  readonly presence: Presence
  readonly forwarding: Forwarding
  readonly budget: Budget
  readonly report: ReportSecurity
  readonly failed: (error: Error) => void
}

type Packet = Forwarded & { readonly retain: boolean }

export class Hooks {
  readonly #options: HooksOptions
  #isConnected = (_clientId: string): boolean => false

  constructor(options: HooksOptions) {
    this.#options = options
  }

  forAedes(): AedesOptions {
    return {
      preConnect: (client, packet, done) => {
        const fault = this.#safely(
          () => this.#connectFault(gateOf(client), internals.connectPacketOf(packet)),
          error => error
        )
        done(fault, fault === null)
      },
      authenticate: (client, _username, _password, done) => {
        const refusal = this.#safely(
          () => this.#refusal(client),
          error => error
        )
        done(refusal as AuthenticateError | null, refusal === null)
      },
      authorizePublish: (client, packet, done) => {
        packet.retain = false
        const fault = this.#safely(
          () => this.#publishFault(client, packet.topic),
          error => error
        )
        done(fault)
      },
      authorizeSubscribe: (client, subscription, done) => {
        const isGranted = this.#safely(
          () => this.#isGranted(client, subscription.topic),
          () => false
        )
        done(null, isGranted ? subscription : null)
      },
      authorizeForward: (client, packet) => (this.isForwarded(gateOf(client), packet) ? packet : null)
    }
  }

  listen(aedes: Aedes): void {
    const { interest, presence, report, failed } = this.#options
    this.#isConnected = clientId => internals.isConnected(aedes, clientId)
    aedes.on('connackSent', ({ returnCode }, client) => {
      if (returnCode === 0) gateOf(client).open()
    })
    aedes.on('clientReady', client => {
      const gate = gateOf(client)
      const { identity, address } = gate
      report({ event: 'connected', ...peerOf(gate), role: identity.role, clientId: client.id })
      const isCounted = identity.role === 'edge' && client.id === identity.name
      if (isCounted && !gate.destroyed) presence.connect(gate, identity, address)
    })
    aedes.on('clientDisconnect', client => {
      if (client.clean) interest.forget(client.id)
      report({ event: 'disconnected', ...peerOf(gateOf(client)), clientId: client.id })
    })
    aedes.on('subscribe', (subscriptions, client) => {
      for (const { topic, qos } of subscriptions)
        if ((qos as number) !== internals.deniedQos) interest.subscribe(client.id, topic)
    })
    aedes.on('unsubscribe', (filters, client) => {
      // A closing client unsubscribes from everything; its session, if it keeps one, does not.
      if (client.closed) return
      for (const filter of filters) {
        gateOf(client).filters.delete(filter)
        interest.unsubscribe(client.id, filter)
      }
    })
    // A client's fault ends the client, and Aedes sees to that.
    aedes.on('clientError', () => {})
    aedes.on('connectionError', () => {})
    internals.onBrokerError(aedes, failed)
  }

  isForwarded(gate: Gate, packet: Packet): boolean {
    return this.#safely(
      () => this.#options.forwarding.isForwarded(gate, packet),
      () => false
    )
  }

  denied(gate: Gate, error: DeniedError): void {
    this.#options.report(denial(error, peerOf(gate)))
  }

  /** A hook that throws would end the process. So a fault in a hook is reported, and costs its own client alone. */
  #safely<T>(answer: () => T, otherwise: (error: Error) => T): T {
    try {
      return answer()
    } catch (error) {
      this.#options.failed(error as Error)
      return otherwise(error as Error)
    }
  }

  // --- CONNECT

  #connectFault(gate: Gate, connect: internals.ConnectPacket): DeniedError | null {
    gate.keepalive.keepAlive(connect.keepalive)
    connect.keepalive = 0 // Aedes does not see telemetry: its timer would cut a busy client
    const fault = connect.will && willFault(gate, connect.will.topic)
    if (fault === undefined) return null
    if (fault === 'ignored') {
      delete connect.will
      return null
    }
    this.denied(gate, fault)
    return fault
  }

  #refusal(client: Client): Error | null {
    const gate = gateOf(client)
    if (!isClientIdOf(gate.identity, client.id)) {
      const { name } = gate.identity
      const found = client.id.slice(0, clientIdCharactersMax)
      const error = new DeniedError('client_id', `expected client id ${name} or ${name}:suffix, found ${found}`)
      this.denied(gate, error)
      return internals.refusalWith(error, 2)
    }
    if (this.#options.budget.isOver) return internals.refusalWith(new Error('over the memory budget'), 3)
    this.#boundSessions(gate.identity, client)
    return null
  }

  #boundSessions({ name }: Identity, { id, clean }: Client): void {
    const { sessions, interest, persistence, failed } = this.#options
    const ended = sessions.connect(name, id, clean, this.#isConnected)
    if (ended === undefined) return
    interest.forget(ended)
    persistence.forgetSession(ended).catch(failed)
  }

  // --- PUBLISH and SUBSCRIBE

  /** `client` is null when another node's will is published. */
  #publishFault(client: Client | null, topic: string): Error | null {
    if (client === null) return null
    const gate = gateOf(client)
    if (gate.errored instanceof DeniedError) return gate.errored // its right has ended: no will either
    if (access.mayPublish(gate.identity, topic)) return null
    const error = new DeniedError('publish_topic', `expected an own topic, found ${topic.slice(0, 120)}`)
    this.denied(gate, error)
    return error
  }

  /** Asked for the filters of a SUBSCRIBE, and for those of a restored session. */
  #isGranted(client: Client, filter: string): boolean {
    const gate = gateOf(client)
    const { identity, filters } = gate
    if (!access.maySubscribe(identity, filter)) {
      this.denied(gate, new DeniedError('subscribe_filter', `expected an own filter, found ${filter.slice(0, 120)}`))
      // A stored filter that outlived its right would fill the session's queue with messages that are never delivered.
      if (!client.clean) this.#forgetSubscription(client.id, filter)
      return false
    }
    if (filters.size >= clientFiltersMax && !filters.has(filter)) {
      const message = `expected at most ${clientFiltersMax} filters of a client, found another one`
      this.denied(gate, new DeniedError('subscription_limit', message))
      return false
    }
    filters.add(filter)
    if (identity.role === 'edge') this.#introduce(filter)
    return true
  }

  #forgetSubscription(clientId: string, filter: string): void {
    const { interest, persistence, failed } = this.#options
    interest.unsubscribe(clientId, filter)
    persistence.forgetSubscription(clientId, filter).catch(failed)
  }

  /** An edge that asks for its own presence gets an answer, connected or not. An edge's filter names its charger. */
  #introduce(filter: string): void {
    const charger = filter.split('/')[1]!
    if (covers(filter, charger, connectionName)) this.#options.presence.introduce(charger)
  }
}

/**
 * A will is judged like a publish. A will on an own topic is allowed and ignored: it never enters the telemetry path.
 */
function willFault({ identity }: Gate, topic: string): DeniedError | 'ignored' | undefined {
  if (access.mayPublish(identity, topic)) return undefined
  const own = parseTopic(topic)
  if (identity.role === 'edge' && own !== undefined && identity.chargers!.includes(own.charger)) return 'ignored'
  return new DeniedError('will_topic', `expected a will on an own topic, found ${topic.slice(0, 120)}`)
}

const gateOf = (client: Client): Gate => client.conn as Gate

/** Whether the hooks granted this filter to the client. */
export const isGranted = (client: object, filter: string): boolean => gateOf(client as Client).filters.has(filter)

const peerOf = ({ identity, address }: Gate): Peer => ({ identity: identity.name, serial: identity.serial, address })
