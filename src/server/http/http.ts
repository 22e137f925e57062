// The HTTP port: sockets, TLS and time limits in front of the routes. Knows nothing of the parts behind them.

import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { KeyPair } from '../trust/keyPair.ts'
import { httpConnectionsMax, httpRequestTimeoutMs } from './limits.ts'
import { type AppOptions, makeApp } from './routes.ts'

export interface HttpOptions extends AppOptions {
  readonly host: string
  readonly port: number
  /** Certificate and key in PEM. Absent: plain HTTP. */
  readonly tls?: Pick<KeyPair, 'cert' | 'key'> | undefined
}

const tlsOptions = { minVersion: 'TLSv1.2' } as const
const headerBytesMax = 8 * 1024
/** Longer than the pause after which load balancers close an idle connection. */
const keepAliveMs = 65_000

export class Http {
  readonly #server: Server | TlsServer

  private constructor({ tls, ...options }: HttpOptions) {
    const app = makeApp(options)
    const limits = {
      maxHeaderSize: headerBytesMax,
      requestTimeout: httpRequestTimeoutMs,
      keepAliveTimeout: keepAliveMs
    }
    // A request of HTTP/1.0, as of some health checks, may name no host.
    const listener = getRequestListener(app.fetch, { hostname: 'localhost', overrideGlobalObjects: false })
    this.#server = tls
      ? createTlsServer({ ...limits, cert: tls.cert, key: tls.key, ...tlsOptions }, listener)
      : createServer(limits, listener)
    this.#server.maxConnections = httpConnectionsMax
  }

  static async open(options: HttpOptions): Promise<Http> {
    const http = new Http(options)
    await new Promise<void>((resolve, reject) => {
      http.#server.once('error', reject)
      // Of several processes, one has the port.
      http.#server.listen({ port: options.port, host: options.host, exclusive: true }, resolve)
    })
    return http
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** For new connections; open ones keep theirs. Only where there was TLS from the start. */
  replaceTls({ cert, key }: KeyPair): void {
    ;(this.#server as TlsServer).setSecureContext({ cert, key, ...tlsOptions })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }
}
