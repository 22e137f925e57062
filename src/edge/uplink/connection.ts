// One connection to the MQTT server: mutual TLS, one mqtt.js client object, one window. Promises: the parcels of one
// send leave in one socket write; a parcel is delivered when every message has its PUBACK; `onOver` comes exactly
// once, with the unacknowledged parcels. It never reconnects and never sends again: that is the task of the spool (a
// store in mqtt.js would keep the ids of a dead connection in use). Its subscriptions end with it.

import { isIP } from 'node:net'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { MqttClient } from 'mqtt'
import type { Parcel } from './feed.ts'
import { ackTimeoutMs, edgeConnectTimeoutMs, edgeKeepaliveSeconds, publishWindowMax } from './limits.ts'
import { reasonOf } from './reasons.ts'
import { type AcceptsEarly, notYetValid } from './serverCheck.ts'

export type Mqtt = Pick<typeof import('mqtt'), 'MqttClient' | 'UniqueMessageIdProvider'>

export interface ConnectionOptions {
  readonly mqtt: Mqtt
  readonly broker: { readonly host: string; readonly port: number }
  /** MQTT client id. */
  readonly identity: string
  /** CA, certificate and key; made once for all connections. */
  readonly secureContext: SecureContext
  /** A TLS session of an earlier connection: it saves the server most of the handshake. */
  readonly session?: Buffer | undefined
  /**
   * Given if the clock of this machine cannot be trusted: whether to accept a certificate that is not yet valid by
   * that clock.
   */
  readonly acceptsEarly?: AcceptsEarly | undefined
  readonly ackTimeoutMs?: number
  readonly onSession: (session: Buffer) => void
  /** CONNACK has accepted the connection. */
  readonly onConnected: () => void
  /** All messages of this parcel are acknowledged. */
  readonly onDelivered: (parcel: Parcel) => void
  /** A message of the server on a subscription; `retained`: it existed before the subscription. */
  readonly onMessage?: (topic: string, payload: Buffer, retained: boolean) => void
  /** An acknowledgement made room. */
  readonly onRoom: () => void
  /** The connection has ended; `unacknowledged` in sending order. */
  readonly onOver: (reason: string, unacknowledged: readonly Parcel[]) => void
}

interface InFlight {
  unacknowledged: number
  readonly sentMs: number
}

export class Connection {
  readonly #options: ConnectionOptions
  readonly #client: MqttClient
  /** In sending order. */
  readonly #window = new Map<Parcel, InFlight>()
  #outstanding = 0
  #reason: string | undefined
  #over = false
  #ackTimer: NodeJS.Timeout | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#client = new options.mqtt.MqttClient(() => this.#openSocket(), {
      protocolVersion: 4,
      clean: true,
      clientId: options.identity,
      keepalive: edgeKeepaliveSeconds,
      connectTimeout: edgeConnectTimeoutMs,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      // The cache holds a buffer for each of 65,536 numbers, and a Pi has little memory.
      writeCache: false,
      messageIdProvider: new options.mqtt.UniqueMessageIdProvider(),
      log: () => {}
    })
    this.#client.on('connect', () => this.#connected())
    const { onMessage } = options
    if (onMessage) this.#client.on('message', (topic, payload, { retain }) => onMessage(topic, payload, retain))
    // mqtt.js leaves the connection open after some errors, such as garbage from the server.
    this.#client.on('error', error => this.fail(reasonOf(error)))
    this.#client.on('close', () => this.#finish('closed by the server'))
  }

  /** Number of messages that may be sent before the next acknowledgement. */
  get room(): number {
    return publishWindowMax - this.#outstanding
  }

  get isIdle(): boolean {
    return this.#outstanding === 0
  }

  /** Call it after onConnected, with at most `room` messages in all. */
  send(parcels: readonly Parcel[]): void {
    const sentMs = performance.now()
    const { stream } = this.#client
    stream.cork()
    for (const parcel of parcels) {
      this.#window.set(parcel, { unacknowledged: parcel.messages.length, sentMs })
      this.#outstanding += parcel.messages.length
      for (const { topic, payload } of parcel.messages) {
        this.#client.publish(topic, payload, { qos: 1, retain: parcel.retain, dup: parcel.dup }, error => {
          if (!error) this.#acknowledged(parcel)
        })
      }
    }
    stream.uncork()
  }

  /**
   * Resolves when the server has granted all topics. Rejects when it refuses one, and when the connection ends first.
   */
  async subscribe(topics: readonly string[]): Promise<void> {
    await Promise.all(chunksOf(topics).map(chunk => this.#client.subscribeAsync(chunk, { qos: 0 })))
  }

  /** Does not wait for the answer. */
  unsubscribe(topics: readonly string[]): void {
    if (this.#over || !this.#client.connected) return
    for (const chunk of chunksOf(topics)) this.#client.unsubscribe(chunk, () => {})
  }

  /** Gives up the connection. */
  fail(reason: string): void {
    this.#reason ??= reason
    this.#client.end(true)
    // mqtt.js ignores a second end.
    this.#client.stream.destroy()
    this.#finish(reason)
  }

  /**
   * Sends DISCONNECT; onOver comes when it is sent, or at once if messages are unacknowledged or CONNACK has not come.
   */
  end(): void {
    this.#reason ??= 'stopped'
    // mqtt.js would wait for acknowledgements that may never come.
    if (this.isIdle && this.#client.connected) this.#client.end(false)
    else this.fail('stopped')
  }

  #openSocket(): TLSSocket {
    const { broker, secureContext, session, acceptsEarly, onSession } = this.#options
    const socket = connect({
      host: broker.host,
      port: broker.port,
      // An IP address has no SNI; it is checked against the IP entries of the certificate all the same.
      ...(isIP(broker.host) === 0 ? { servername: broker.host } : {}),
      secureContext,
      ...(session === undefined ? {} : { session }),
      rejectUnauthorized: acceptsEarly === undefined
    })
    socket.setNoDelay(true)
    if (acceptsEarly !== undefined) socket.once('secureConnect', () => judge(socket, acceptsEarly))
    // A TLS session remembers the fault of the certificate.
    socket.on('session', session => (acceptsEarly === undefined || socket.authorized) && onSession(session))
    return socket
  }

  #connected(): void {
    const { ackTimeoutMs: limit = ackTimeoutMs } = this.#options
    this.#ackTimer = setInterval(() => this.#checkAcks(limit), Math.max(1, limit / 10))
    this.#options.onConnected()
  }

  #checkAcks(limitMs: number): void {
    const oldest = this.#window.values().next().value
    if (oldest !== undefined && performance.now() - oldest.sentMs > limitMs) this.fail('no acknowledgement in time')
  }

  #acknowledged(parcel: Parcel): void {
    const inFlight = this.#window.get(parcel)
    if (inFlight === undefined || this.#over) return
    this.#outstanding--
    inFlight.unacknowledged--
    if (inFlight.unacknowledged === 0) {
      this.#window.delete(parcel)
      this.#options.onDelivered(parcel)
    }
    this.#options.onRoom()
  }

  #finish(reason: string): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#ackTimer)
    this.#options.onOver(this.#reason ?? reason, [...this.#window.keys()])
  }
}

/** In place of TLS: ends the connection if the other side is not the server, before anything of it is read. */
function judge(socket: TLSSocket, acceptsEarly: AcceptsEarly): void {
  if (socket.authorized) return
  const code = String(socket.authorizationError)
  const certificate = socket.getPeerX509Certificate()
  if (code === notYetValid && certificate !== undefined && acceptsEarly(certificate)) return
  socket.destroy(Object.assign(new Error(`the server's certificate: ${code}`), { code }))
}

/** So many of the longest topics stay well within the largest packet that a server accepts. */
const topicsPerPacket = 128

const chunksOf = (topics: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(topics.length / topicsPerPacket) }, (_, i) =>
    topics.slice(i * topicsPerPacket, (i + 1) * topicsPerPacket)
  )
