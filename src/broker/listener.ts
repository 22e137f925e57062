// TLS in front of the broker: mutual TLS on every port, identity and revocation asked on every connection,
// resumed sessions included. A connection that fails here never reaches MQTT.

import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Identity } from '../model/admission.ts'
import { DeniedError } from '../model/errors.ts'
import { handshakeTimeoutMs } from '../model/limits.ts'
import { denial, type HandshakeOutcome, type ReportSecurity } from '../model/security.ts'
import { identify } from './identity.ts'

export interface ListenerOptions {
  readonly host: string
  /** At least one; 0 takes a free port. */
  readonly ports: readonly number[]
  readonly tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer }
  readonly isRevoked: (issuer: string, serial: string) => boolean
  readonly accept: (socket: TLSSocket, identity: Identity) => void
  readonly report: ReportSecurity
}

const ticketKeyBytes = 48
const sessionTimeoutSeconds = 24 * 3600

export class Listener {
  readonly #servers: Server[] = []
  readonly #options: ListenerOptions

  private constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** Listens on all ports, or on none: rejects with the system's error, which names the port. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options)
    const ticketKeys = randomBytes(ticketKeyBytes)
    try {
      for (const port of options.ports) await listener.#listen(port, ticketKeys)
    } catch (error) {
      await listener.close()
      throw error
    }
    return listener
  }

  get ports(): number[] {
    return this.#servers.map(server => (server.address() as AddressInfo).port)
  }

  /** Takes no new connections; those that are there stay. */
  async close(): Promise<void> {
    for (const server of this.#servers) server.close()
  }

  async #listen(port: number, ticketKeys: Buffer): Promise<void> {
    const server = createServer({
      ...this.#options.tls,
      ticketKeys,
      sessionTimeout: sessionTimeoutSeconds,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs
    })
    server.on('secureConnection', socket => this.#identify(socket))
    // A handshake that fails or takes too long leaves its socket open unless it is destroyed here.
    server.on('tlsClientError', (error, socket) => {
      const outcome = (error as NodeJS.ErrnoException).code === 'ERR_TLS_HANDSHAKE_TIMEOUT' ? 'timeout' : 'failed'
      if (socket.remoteAddress !== undefined)
        this.#denied(socket, outcome, new DeniedError('no_certificate', error.message))
      socket.destroy()
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, this.#options.host, resolve)
    })
    server.on('error', () => {}) // out of file descriptors, say: accepting goes on when it can
    this.#servers.push(server)
  }

  #identify(socket: TLSSocket): void {
    let identity: Identity | undefined
    try {
      identity = identify(socket.getPeerX509Certificate(), Date.now())
      if (this.#options.isRevoked(identity.issuer, identity.serial)) {
        throw new DeniedError(
          'revoked',
          `expected a certificate that is not revoked, found serial ${identity.serial} (${identity.name})`
        )
      }
      this.#options.report({ event: 'handshake', outcome: socket.isSessionReused() ? 'resumed' : 'full' })
      this.#options.accept(socket, identity)
    } catch (error) {
      if (!(error instanceof DeniedError)) throw error
      this.#denied(socket, 'refused', error, identity)
      socket.on('error', () => {})
      socket.destroy()
    }
  }

  #denied(socket: TLSSocket, outcome: HandshakeOutcome, error: DeniedError, identity?: Identity): void {
    const { report } = this.#options
    const address = `${socket.remoteAddress}:${socket.remotePort}`
    report({ event: 'handshake', outcome })
    report(denial(error, { identity: identity?.name ?? '', serial: identity?.serial ?? '', address }))
  }
}
