// The data path: the broker in front, the ingest path behind it, the shadow between them. A stop first ends reading,
// then stores and acknowledges what is admitted, then closes the connections.

import { Broker } from '../../broker/broker.ts'
import type { RedisLink } from '../../broker/redis/redisLink.ts'
import { Shadow } from '../../broker/shadow.ts'
import { Budget } from '../../model/server/budget.ts'
import { stopBatchesMs } from '../limits.ts'
import type { Recorder } from '../monitoring/recorder.ts'
import { onlineElsewhere } from '../store/connections.ts'
import type { Front } from './front.ts'
import { type IngestPath, startIngest } from './ingest.ts'
import type { Startup } from './startup.ts'
import type { Store } from './store.ts'

export interface DataPath extends IngestPath {
  readonly shadow: Shadow
  readonly budget: Budget
  readonly broker: Broker
  /** After the stop: everything admitted was stored and acknowledged. */
  isSettled(): boolean
}

export interface DataPathNeeds extends Omit<Store, 'engine'>, Pick<Front, 'audit'> {
  readonly recorder: Recorder
  /** Undefined without Redis. */
  readonly link: RedisLink | undefined
}

const real = { ingest: startIngest, broker: (options: Parameters<typeof Broker.open>[0]) => Broker.open(options) }

export async function openDataPath(startup: Startup, needs: DataPathNeeds, open = real): Promise<DataPath> {
  const { config, log, lifetime } = startup
  const { databaseUrl, latest, connections, audit, recorder, link } = needs
  const shadow = new Shadow()
  shadow.watch((topic, entry, mover) => {
    if (mover === 'committed') latest.note(topic, entry)
  })
  const budget = new Budget(config.budgetBytes)
  const { ingest, maintenance } = open.ingest(startup, { databaseUrl, budget, shadow, recorder })
  const broker = await open.broker({
    admission: ingest,
    budget,
    limits: config.limits,
    link,
    shadow,
    report: audit.report,
    failed: ({ message }) => log.error({ event: 'broker_failed', reason: message }, 'broker failed'),
    presence: {
      node: config.nodeId,
      graceMs: config.presenceGraceMs,
      store: connection => connections.note(connection),
      onlineElsewhere: chargers => askOthers(startup, needs, chargers)
    }
  })
  let isSettled = false
  lifetime.owns(async () => {
    if (config.drainMs > 0) await broker.drain(config.drainMs)
    broker.stopReading()
    isSettled = await ingest.close(stopBatchesMs)
    await broker.close()
  })
  return { shadow, budget, ingest, maintenance, broker, isSettled: () => isSettled }
}

/** A server without others knows by itself which chargers are online, also while the database is away. */
async function askOthers({ config }: Startup, { db }: DataPathNeeds, chargers: readonly string[]) {
  try {
    return await onlineElsewhere(db, config.nodeId, chargers)
  } catch (error) {
    if (config.redisUrl === undefined) return new Set<string>()
    throw error
  }
}
