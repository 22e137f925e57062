// TLS in front of the broker: mutual TLS on every port, identity and trust asked on every connection, resumed sessions
// included. A connection that fails here never reaches MQTT. Handshakes begin at a bounded rate, each network in its
// turn. Knows every live connection by its certificate, and closes it when its right ends.

import { constants, randomBytes, type X509Certificate } from 'node:crypto'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import { DeniedError } from '../../model/errors.ts'
import type { Identity } from '../../model/server/admission.ts'
import { denial, type ReportSecurity } from '../../model/server/security.ts'
import { claimedName, identify } from '../identity.ts'
import { tcpBelow } from '../internals.ts'
import { handshakeTimeoutMs } from '../limits.ts'
import { HandshakeQueue, turnMs } from './handshakes.ts'
import {
  connectionsMaxDefault,
  connectionsPerIdentityMax,
  expiryLookMs,
  handshakesPerSecondDefault,
  listenBacklog
} from './limits.ts'
import { LiveConnections } from './liveConnections.ts'

export interface TlsMaterial {
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
}

export interface ListenerOptions {
  readonly host: string
  /** At least one; 0 takes a free port. */
  readonly ports: readonly number[]
  readonly tls: TlsMaterial
  /**
   * Throws DeniedError for a certificate that is not trusted. TLS has verified it, now or when the session began;
   * `anew`: verify it again, because the CAs have changed since.
   */
  readonly judge: (certificate: X509Certificate, anew: boolean) => void
  /** The socket ends with a DeniedError when its right ends. */
  readonly accept: (socket: TLSSocket, identity: Identity) => void
  readonly report: ReportSecurity
  readonly connectionsMax?: number
  readonly connectionsPerIdentityMax?: number
  readonly handshakesPerSecond?: number
  /** Keys of the TLS sessions of this moment, where several processes share them; absent = own random keys. */
  readonly ticketKeys?: (tls: TlsMaterial, nowMs: number) => Buffer
  /** For tests; default: the clock. */
  readonly now?: () => number
}

const ticketKeyBytes = 48
const sessionTimeoutSeconds = 24 * 3600
/** Node's default is made of the command line, which differs between nodes. */
const sessionIdContext = 'chargelift'
const ticketLookMs = 60_000
/** Certificates that are judged anew in one turn of the event loop. */
const recheckSlice = 100

export class Listener {
  readonly #options: ListenerOptions
  readonly #now: () => number
  readonly #ports: Server[] = []
  /** Listens nowhere: it is handed the connections whose turn has come. */
  readonly #tls: TlsServer
  readonly #queue: HandshakeQueue<Socket>
  /** Waiting, or in their handshake. */
  readonly #halfOpen = new Set<Socket>()
  #open = 0
  readonly #live = new LiveConnections()
  readonly #expiryTimer: NodeJS.Timeout
  #turnTimer: NodeJS.Timeout | undefined
  readonly #ticketTimer: NodeJS.Timeout
  #material: TlsMaterial
  #ticketKeys: Buffer
  #ticketsSinceMs: number

  private constructor(options: ListenerOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#material = options.tls
    this.#ticketsSinceMs = this.#now()
    this.#ticketKeys = this.#newTicketKeys()
    this.#queue = new HandshakeQueue(options.handshakesPerSecond ?? handshakesPerSecondDefault)
    this.#tls = createTlsServer({
      ...this.#context(options.tls),
      requestCert: true,
      // We refuse ourselves, first of all in `identify`: only so can the report say whose certificate it was.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeTimeoutMs
    })
    this.#tls.on('secureConnection', socket => this.#identify(socket))
    this.#tls.on('tlsClientError', (error, socket) => this.#handshakeFailed(error, socket))
    this.#ticketTimer = setInterval(() => this.rotateTickets(), ticketLookMs).unref()
    this.#expiryTimer = setInterval(() => this.#closeExpired(), expiryLookMs).unref()
  }

  /** Listens on all ports, or on none: rejects with the system's error, which names the port. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options)
    try {
      for (const port of options.ports) await listener.#listen(port)
    } catch (error) {
      await listener.close()
      throw error
    }
    return listener
  }

  get ports(): number[] {
    return this.#ports.map(server => (server.address() as AddressInfo).port)
  }

  /** Connections that wait for their handshake. */
  get waiting(): number {
    return this.#queue.waiting
  }

  /** For new handshakes; `forget`: earlier sessions cannot be resumed. Throws when OpenSSL refuses the material. */
  replaceTls(tls: TlsMaterial, forget: boolean): void {
    this.#material = tls
    if (forget || this.#options.ticketKeys !== undefined) this.#ticketKeys = this.#newTicketKeys()
    this.#tls.setSecureContext(this.#context(tls))
  }

  /** No key of sessions is used for longer than a session lives: called every minute. */
  rotateTickets(): void {
    const isShared = this.#options.ticketKeys !== undefined
    if (!isShared && this.#now() - this.#ticketsSinceMs < sessionTimeoutSeconds * 1_000) return
    const keys = this.#newTicketKeys()
    if (keys.equals(this.#ticketKeys)) return
    this.#ticketKeys = keys
    this.#ticketsSinceMs = this.#now()
    this.#tls.setTicketKeys(keys)
  }

  #newTicketKeys(): Buffer {
    const { ticketKeys } = this.#options
    return ticketKeys?.(this.#material, this.#now()) ?? randomBytes(ticketKeyBytes)
  }

  /**
   * Judges every live certificate again, and closes the connections whose right has ended. Returns how many were
   * closed.
   */
  async recheck(anew: boolean): Promise<number> {
    let closed = 0
    let judged = 0
    for (const { identity, sockets } of this.#live.byCertificate()) {
      const fault = this.#faultOf(sockets, anew)
      if (fault !== undefined) closed += this.#closeAll(identity, sockets, fault)
      if (++judged % recheckSlice === 0) await setImmediate()
    }
    return closed
  }

  /** Takes no new connections. Live connections stay, half-open ones are closed. */
  async close(): Promise<void> {
    clearInterval(this.#expiryTimer)
    clearInterval(this.#ticketTimer)
    clearTimeout(this.#turnTimer)
    for (const server of this.#ports) server.close()
    this.#tls.close()
    for (const socket of this.#halfOpen) socket.destroy()
  }

  /** Nothing but these three: TLS must not get the revocation list, for an expired one would lock out the fleet. */
  #context({ ca, cert, key }: TlsMaterial) {
    return {
      ca,
      cert,
      key,
      ticketKeys: this.#ticketKeys,
      sessionIdContext,
      sessionTimeout: sessionTimeoutSeconds,
      minVersion: 'TLSv1.2' as const,
      // A client does not change its certificate within a connection.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION
    }
  }

  async #listen(port: number): Promise<void> {
    // Not read before its turn: a waiting connection costs no buffer.
    const server = createServer({ pauseOnConnect: true, noDelay: true }, socket => this.#wait(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host: this.#options.host, backlog: listenBacklog }, resolve)
    })
    server.on('error', () => {}) // out of file descriptors, say: accepting goes on when it can
    this.#ports.push(server)
  }

  // --- before the handshake

  #wait(socket: Socket): void {
    const { report, connectionsMax = connectionsMaxDefault } = this.#options
    socket.on('error', () => {})
    if (this.#open >= connectionsMax) {
      report({ event: 'handshake', outcome: 'overload' })
      socket.destroy()
      return
    }
    this.#open++
    this.#halfOpen.add(socket)
    socket.once('close', () => {
      this.#open--
      this.#halfOpen.delete(socket)
    })
    const dropped = this.#queue.add(socket.remoteAddress ?? '', socket, performance.now())
    if (dropped !== undefined) this.#turnAway(dropped)
    if (this.#turnTimer === undefined) this.#giveTurns()
  }

  #giveTurns(): void {
    const { begin, expired } = this.#queue.turnsAt(performance.now())
    for (const socket of expired) this.#turnAway(socket)
    for (const socket of begin) if (!socket.destroyed) this.#tls.emit('connection', socket)
    this.#turnTimer = this.#queue.waiting > 0 ? setTimeout(() => this.#giveTurns(), turnMs) : undefined
  }

  #turnAway(socket: Socket): void {
    this.#options.report({ event: 'handshake', outcome: 'overload' })
    socket.destroy()
  }

  /** Node leaves the socket open: it is destroyed here. */
  #handshakeFailed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { report } = this.#options
    const isTimeout = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT'
    report({ event: 'handshake', outcome: isTimeout ? 'timeout' : 'failed' })
    // A peer that just went away, such as the health check of a load balancer, is not reported as denied.
    if (error.code !== 'ECONNRESET') {
      const denied = new DeniedError(
        isTimeout ? 'timeout' : 'handshake',
        `expected a TLS handshake, found: ${error.message}`
      )
      report(denial(denied, { identity: '', serial: '', address: addressOf(socket) }))
    }
    socket.destroy()
  }

  // --- after it

  #identify(socket: TLSSocket): void {
    this.#halfOpen.delete(tcpBelow(socket))
    let certificate: X509Certificate | undefined
    let identity: Identity
    try {
      certificate = socket.getPeerX509Certificate()
      if (certificate !== undefined && !socket.authorized) throw refusedByTls(socket, certificate)
      identity = identify(certificate, this.#now())
      this.#options.judge(certificate!, false)
      this.#refuseTooMany(identity)
    } catch (error) {
      this.#refuse(socket, asDenied(error as Error), certificate)
      return
    }
    this.#options.report({ event: 'handshake', outcome: socket.isSessionReused() ? 'resumed' : 'full' })
    this.#live.add(identity, socket)
    this.#options.accept(socket, identity)
  }

  #refuseTooMany({ name }: Identity): void {
    const { connectionsPerIdentityMax: max = connectionsPerIdentityMax } = this.#options
    if (this.#live.countOf(name) >= max) {
      throw new DeniedError('too_many_connections', `expected at most ${max} connections of ${name}, found one more`)
    }
  }

  #refuse(socket: TLSSocket, error: DeniedError, certificate: X509Certificate | undefined): void {
    const { report } = this.#options
    const identity = certificate === undefined ? '' : claimedName(certificate)
    report({ event: 'handshake', outcome: certificate === undefined ? 'failed' : 'refused' })
    report(denial(error, { identity, serial: certificate?.serialNumber ?? '', address: addressOf(socket) }))
    socket.on('error', () => {})
    socket.destroy()
  }

  // --- while it lives

  #faultOf(sockets: ReadonlySet<TLSSocket>, anew: boolean): DeniedError | undefined {
    try {
      for (const socket of sockets) {
        const certificate = socket.getPeerX509Certificate()
        if (certificate === undefined) continue // closed just now
        this.#options.judge(certificate, anew)
        return undefined
      }
    } catch (error) {
      const fault = asDenied(error as Error)
      return fault.code === 'crl_expired' ? undefined : fault
    }
    return undefined
  }

  #closeExpired(): void {
    const nowMs = this.#now()
    for (const { identity, sockets } of this.#live.byCertificate()) {
      if (identity.validToMs >= nowMs) continue
      const ended = new DeniedError('expired_certificate', 'expected a certificate valid now, found it ended')
      this.#closeAll(identity, sockets, ended)
    }
  }

  /** The socket's error tells the gate that the client's right has ended. */
  #closeAll({ name, serial }: Identity, sockets: ReadonlySet<TLSSocket>, fault: DeniedError): number {
    const all = [...sockets]
    for (const socket of all) {
      const address = addressOf(socket)
      this.#options.report({ event: 'revoked', reason: fault.message, identity: name, serial, address })
      socket.destroy(fault)
    }
    return all.length
  }
}

/** A certificate that cannot even be read must not end the process. */
const asDenied = (error: Error): DeniedError =>
  error instanceof DeniedError
    ? error
    : new DeniedError('handshake', `expected a certificate that can be judged, found: ${error.message}`)

/** What OpenSSL found wrong with the certificate or its chain. */
function refusedByTls(
  { authorizationError }: TLSSocket,
  { subject, validFrom, validTo }: X509Certificate
): DeniedError {
  const fault = String(authorizationError)
  const whose = JSON.stringify(subject.replaceAll('\n', ', ').slice(0, 80))
  if (fault === 'CERT_HAS_EXPIRED' || fault === 'CERT_NOT_YET_VALID') {
    return new DeniedError(
      'expired_certificate',
      `expected a certificate valid now, found ${validFrom} to ${validTo} (${whose}), or a CA above it that is not`
    )
  }
  if (fault === 'INVALID_PURPOSE') {
    return new DeniedError('wrong_key_usage', `expected a certificate for clientAuth, found another (${whose})`)
  }
  return new DeniedError('unknown_ca', `expected a certificate of a CA that is trusted, found ${fault} (${whose})`)
}

function addressOf(socket: TLSSocket): string {
  const { remoteAddress, remotePort } = tcpBelow(socket)
  return `${remoteAddress}:${remotePort}`
}
