// The API as a list of its endpoints.

import type { Route } from '../routes.ts'
import { chargerEndpoints } from './chargers.ts'
import { type Endpoint, type ReadPool, routesOf } from './endpoint.ts'
import { energy } from './energy.ts'
import { events, type LiveParts } from './events.ts'
import { type ExportParts, exportEndpoints } from './exports.ts'
import { messages } from './messages.ts'
import { type MonitoringParts, monitoringEndpoints } from './monitoring.ts'
import { openApiEndpoint } from './openapi.ts'
import { readings } from './readings.ts'
import { sessions } from './sessions.ts'
import { sites } from './sites.ts'

export interface ApiParts extends ExportParts, LiveParts, MonitoringParts {
  /** For queries alone. */
  readonly db: ReadPool
}

const described: readonly Endpoint<ApiParts>[] = [
  ...chargerEndpoints,
  messages,
  readings,
  sessions,
  energy,
  sites,
  events,
  ...exportEndpoints,
  ...monitoringEndpoints
]

const endpoints: readonly Endpoint<ApiParts>[] = [...described, openApiEndpoint(() => endpoints)]

/** `parts` is undefined until the server has them. */
export const apiRoutes = (parts: () => ApiParts | undefined): Route[] => routesOf(endpoints, parts)
