// The HTTP port: is it alive, can it store, and its metrics. Reads only; knows nothing of the parts behind.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Readiness {
  readonly ready: boolean
  /** Why not, one sentence each. */
  readonly reasons: readonly string[]
}

export interface HttpOptions {
  readonly host: string
  readonly port: number
  readonly readiness: () => Promise<Readiness> | Readiness
  /** Undefined while there are none yet. */
  readonly metrics: () => Promise<{ contentType: string; body: string }> | undefined
}

type Handler = () => Promise<{ status: number; contentType: string; body: string }>

export class Http {
  readonly #server: Server
  readonly #routes: ReadonlyMap<string, Handler>

  private constructor({ readiness, metrics }: HttpOptions) {
    this.#routes = new Map<string, Handler>([
      ['/healthz', async () => json(200, { status: 'ok' })],
      ['/readyz', async () => asReadiness(await readiness())],
      ['/metrics', async () => asMetrics(await metrics())]
    ])
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async open(options: HttpOptions): Promise<Http> {
    const http = new Http(options)
    await new Promise<void>((resolve, reject) => {
      http.#server.once('error', reject)
      http.#server.listen(options.port, options.host, resolve)
    })
    return http
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0]!
    const handler = this.#routes.get(path)
    const { status, contentType, body } = await this.#call(request, handler)
    response.writeHead(status, {
      ...(status === 405 && { allow: 'GET, HEAD' }),
      'content-type': contentType,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff'
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  async #call({ method }: IncomingMessage, handler: Handler | undefined): ReturnType<Handler> {
    const paths = [...this.#routes.keys()].join(', ')
    if (handler === undefined) return json(404, { error: `expected one of ${paths}` })
    if (method !== 'GET' && method !== 'HEAD') return json(405, { error: `expected GET, found ${method}` })
    try {
      return await handler()
    } catch {
      return json(500, { error: 'expected an answer, found a fault of the server' })
    }
  }
}

const asMetrics = (text: { contentType: string; body: string } | undefined) =>
  text ? { status: 200, ...text } : json(503, { error: 'starting: no metrics yet' })

const asReadiness = ({ ready, reasons }: Readiness) =>
  json(ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', reasons })

const json = (status: number, value: object) => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`
})
