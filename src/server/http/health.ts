// Whether the server is alive, whether it can store, and its metrics. The first two are for load balancers, which have
// no token. The reasons why a server is not ready are shown to callers with a token only.

import { json, type Route } from './routes.ts'

export interface Readiness {
  readonly ready: boolean
  /** Why not, one sentence each. */
  readonly reasons: readonly string[]
  /** What an operator should do although the server works. */
  readonly warnings?: readonly string[]
  /** The reasons hold nothing that a stranger may not know. */
  readonly isPublic?: boolean
}

export interface HealthOptions {
  readonly readiness: () => Promise<Readiness> | Readiness
  /** Undefined until the start is complete. */
  readonly metrics: () => Promise<{ contentType: string; body: string }> | undefined
}

export const healthRoutes = ({ readiness, metrics }: HealthOptions): Route[] => [
  {
    method: 'GET',
    path: '/healthz',
    needs: 'anyone',
    answer: ({ context }) => json(context, 200, { status: 'ok' })
  },
  {
    method: 'GET',
    path: '/readyz',
    needs: 'anyone',
    answer: async ({ context }, caller) => {
      const { ready, reasons, warnings = [], isPublic = false } = await readiness()
      const status = ready ? 'ready' : 'not ready'
      const details = { reasons, ...(warnings.length > 0 && { warnings }) }
      return json(context, ready ? 200 : 503, { status, ...((caller !== undefined || isPublic) && details) })
    }
  },
  {
    method: 'GET',
    path: '/metrics',
    needs: 'viewer',
    answer: async ({ context }) => {
      const text = await metrics()
      if (text === undefined) return json(context, 503, { error: 'starting: no metrics yet' })
      return context.body(text.body, 200, { 'content-type': text.contentType })
    }
  }
]
