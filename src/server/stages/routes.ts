// All routes of the HTTP port. They are there from the first moment on, and answer from what the start has reached.

import type { Access } from '../access/access.ts'
import { apiRoutes } from '../http/api/api.ts'
import { healthRoutes } from '../http/health.ts'
import { pageRoutes } from '../http/page/page.ts'
import type { Route } from '../http/routes.ts'
import { signInRoutes } from '../http/signIn.ts'
import type { ProcessLink } from '../peers/processLink.ts'
import type { Serving } from './serving.ts'
import type { Startup } from './startup.ts'

/** With a process link the answers are those of all processes together. */
export function routesOf(
  { log }: Pick<Startup, 'log'>,
  access: Access,
  serving: Serving,
  processLink: Pick<ProcessLink, 'readiness' | 'metrics'> | undefined
): readonly Route[] {
  const metrics = () => {
    const exposition = serving.running?.exposition
    return exposition && (processLink?.metrics(exposition.contentType) ?? exposition.text())
  }
  return [
    ...healthRoutes({ readiness: () => processLink?.readiness() ?? serving.readiness(), metrics }),
    ...signInRoutes(access, () => serving.tokenCache),
    ...apiRoutes(() => serving.api),
    ...pageRoutes({ failed: ({ message }) => log.error({ event: 'page_failed', reason: message }, 'no dashboard') })
  ]
}
