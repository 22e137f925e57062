// The HTTP API: connections that only read, the live feed, and the parts of the routes. From here on the dashboard
// works.

import type { Shadow } from '../../broker/shadow.ts'
import { atMost } from '../../model/atMost.ts'
import { Exporting } from '../http/api/exports.ts'
import { Registry } from '../http/api/registry.ts'
import { LiveFeed } from '../http/live/liveFeed.ts'
import { stopRestMs } from '../limits.ts'
import { openReadPool } from '../store/readPool.ts'
import type { Front } from './front.ts'
import type { MonitoringStage } from './monitoring.ts'
import type { Startup } from './startup.ts'

export interface ApiNeeds extends Pick<Front, 'access' | 'serving'>, Pick<MonitoringStage, 'monitoring' | 'figures'> {
  readonly databaseUrl: string
  readonly shadow: Shadow
}

export function openApi({ config, log, lifetime }: Startup, needs: ApiNeeds, openPool = openReadPool): void {
  const { databaseUrl, shadow, access, serving, monitoring, figures } = needs
  const db = openPool(config.readDatabaseUrl ?? databaseUrl, ({ message }) =>
    log.warn({ event: 'read_database_connection_lost', reason: message }, 'connection for reading lost')
  )
  lifetime.owns(() => atMost(stopRestMs, db.end()))
  const feed = new LiveFeed({ figures: () => figures.figures() })
  shadow.watch((topic, entry) => feed.note(topic, entry))
  lifetime.owns(() => feed.close())
  serving.api = {
    newest: shadow,
    registry: new Registry(db),
    problems: charger => monitoring.problems.problemsOf(charger),
    problemList: () => monitoring.problems.list(),
    figures: () => figures.figures(),
    feed,
    access,
    exporting: new Exporting(),
    db
  }
}
