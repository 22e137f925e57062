// All scenarios, in the order of their listing.

import { budgets } from './budgets.ts'
import { connectStorm, idleConnections } from './connections.ts'
import { databaseOutage } from './databaseOutage.ts'
import { edge } from './edge.ts'
import { loadScenario } from './load.ts'
import { queries } from './queries.ts'
import type { Scenario } from './scenario.ts'
import { soak } from './soak.ts'
import { dashboards, subscribers } from './subscribers.ts'

export const scenarios: Readonly<Record<string, Scenario>> = {
  fleet: loadScenario('many chargers, each sends its next poll when the last one is acknowledged', {
    connections: 2_000
  }),
  paced: loadScenario('the same chargers at a fixed rate: how long until the acknowledgement', {
    connections: 2_000,
    rate: 5_000,
    window: 256
  }),
  'spool-drain': loadScenario('recovery speed: few edges send their backlog, 256 messages unacknowledged each', {
    connections: 200,
    window: 256
  }),
  'connect-storm': connectStorm,
  'idle-connections': idleConnections,
  'database-outage': databaseOutage,
  subscribers,
  dashboards,
  edge,
  queries,
  soak,
  budgets
}

/** Runs of minutes and hours, started by hand: `npm run bench -- long NAME`. CI never runs them. */
export const longScenarios: Readonly<Record<string, Scenario>> = { soak }
