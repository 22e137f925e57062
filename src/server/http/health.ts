// Is it alive, can it store, and its metrics. The first two are for load balancers, which have no token: why the server is not
// ready is told to whom may know.

import { json, type Route } from './routes.ts'

export interface Readiness {
  readonly ready: boolean
  /** Why not, one sentence each. */
  readonly reasons: readonly string[]
  /** What needs an operator although it works. */
  readonly warnings?: readonly string[]
  /** The reasons say nothing that a stranger may not know. */
  readonly isPublic?: boolean
}

export interface HealthOptions {
  readonly readiness: () => Promise<Readiness> | Readiness
  /** Undefined while there are none yet. */
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
