// One connection to the MQTT server: TLS with both certificates, one mqtt.js client object, one window.
// Promises: parcels of one send leave in one socket write; a parcel counts as delivered only when every message of it has
// its PUBACK; `onOver` comes exactly once, with what was not acknowledged. It never reconnects and never resends: redelivery
// belongs to the spool (mqtt.js with a store of its own would keep ids of a dead connection taken).

import { isIP } from 'node:net'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { MqttClient } from 'mqtt'
import { ackTimeoutMs, edgeConnectTimeoutMs, edgeKeepaliveSeconds, publishWindowMax } from '../model/limits.ts'
import type { Parcel } from './feed.ts'

export type Mqtt = Pick<typeof import('mqtt'), 'MqttClient' | 'UniqueMessageIdProvider'>

export interface ConnectionOptions {
  readonly mqtt: Mqtt
  readonly broker: { readonly host: string; readonly port: number }
  /** MQTT client id. */
  readonly identity: string
  /** CA, certificate and key, made once for all connections. */
  readonly secureContext: SecureContext
  /** A TLS session of an earlier connection, which saves the server most of the handshake. */
  readonly session?: Buffer | undefined
  readonly ackTimeoutMs?: number
  readonly onSession: (session: Buffer) => void
  /** CONNACK said yes. */
  readonly onConnected: () => void
  /** All messages of this parcel are acknowledged. */
  readonly onDelivered: (parcel: Parcel) => void
  /** An acknowledgement made room. */
  readonly onRoom: () => void
  /** The connection is gone; `unacknowledged` in the order in which they were sent. */
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
      // The cache holds a buffer for each of 65,536 numbers; a Pi has little memory.
      writeCache: false,
      messageIdProvider: new options.mqtt.UniqueMessageIdProvider(),
      log: () => {}
    })
    this.#client.on('connect', () => this.#connected())
    // mqtt.js leaves the connection open after some errors, garbage from the server among them.
    this.#client.on('error', error => this.fail(reasonOf(error)))
    this.#client.on('close', () => this.#finish('closed by the server'))
  }

  /** Messages that may still be sent before the next acknowledgement. */
  get room(): number {
    return publishWindowMax - this.#outstanding
  }

  get isIdle(): boolean {
    return this.#outstanding === 0
  }

  /** At most `room` messages in all, after onConnected. */
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

  /** Gives the connection up. */
  fail(reason: string): void {
    this.#reason ??= reason
    this.#client.end(true)
    // Where an end is under way already, mqtt.js does nothing on the second one.
    this.#client.stream.destroy()
    this.#finish(reason)
  }

  /** Says goodbye; onOver comes when that is sent, or at once when messages are unacknowledged or CONNACK has not come. */
  end(): void {
    this.#reason ??= 'stopped'
    // mqtt.js would wait for acknowledgements, and they may never come.
    if (this.isIdle && this.#client.connected) this.#client.end(false)
    else this.fail('stopped')
  }

  #openSocket(): TLSSocket {
    const { broker, secureContext, session, onSession } = this.#options
    const socket = connect({
      host: broker.host,
      port: broker.port,
      // An address has no SNI; its name is checked against the certificate's IP entries all the same.
      ...(isIP(broker.host) === 0 ? { servername: broker.host } : {}),
      secureContext,
      ...(session === undefined ? {} : { session }),
      rejectUnauthorized: true
    })
    socket.setNoDelay(true)
    socket.on('session', onSession)
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

/** Stable words where there are any: system, TLS and CONNACK codes. */
function reasonOf(error: Error): string {
  const { code } = error as { code?: string | number }
  return typeof code === 'string' ? code : error.message
}
