// The composition root: starts the stages of a server in order, each ready before the next, and stops them in reverse.

import type { Logger } from 'pino'
import type { Engine } from '../ingest/migrate.ts'
import { Lifetime } from '../model/lifetime.ts'
import type { ServerConfig } from './config.ts'
import { stopLeastMs, stopTotalMs } from './limits.ts'
import { Exposition } from './monitoring/exposition.ts'
import { Recorder } from './monitoring/recorder.ts'
import { openApi } from './stages/api.ts'
import { openDataPath } from './stages/dataPath.ts'
import { openFront } from './stages/front.ts'
import { startMonitoring } from './stages/monitoring.ts'
import { openMqtt } from './stages/mqtt.ts'
import { joinPeers, openPeerLink } from './stages/peers.ts'
import type { Startup } from './stages/startup.ts'
import { openStore } from './stages/store.ts'

export interface RunningServer {
  readonly mqttPorts: readonly number[]
  readonly httpPort: number
  readonly databaseUrl: string
  readonly engine: Engine
  readonly workers: number
  /** Reads the certificate files now, without waiting until they have been the same for a moment. */
  reload(): void
  /** Idempotent. True when everything admitted was stored and acknowledged in time. */
  stop(): Promise<boolean>
}

/**
 * Resolves when the server listens. Throws ConfigError for what the operator must change. Waits for a database that is
 * away, until `abort`: then it closes what it started, and throws the signal's reason.
 */
export async function startServer(
  config: ServerConfig,
  log: Logger,
  abort: AbortSignal = new AbortController().signal
): Promise<RunningServer> {
  const lifetime = new Lifetime({ totalMs: config.drainMs + stopTotalMs, leastMs: stopLeastMs })
  try {
    return await start({ config, log, lifetime, abort })
  } catch (error) {
    return await lifetime.fail(error)
  }
}

async function start(startup: Startup): Promise<RunningServer> {
  const { config, log, lifetime } = startup
  const recorder = new Recorder()
  const front = await openFront(startup)
  const { audit, credentials, serving, processLink, httpPort } = front
  const store = await openStore(startup, front)
  const { db, databaseUrl, engine } = store
  const link = await openPeerLink(startup)
  const dataPath = await openDataPath(startup, { ...store, audit, recorder, link })
  const { shadow, budget, ingest, maintenance, broker } = dataPath
  await joinPeers(startup, { db, link, shadow, presence: broker.presence })
  const { monitoring, meter, figures, progress } = await startMonitoring(startup, { ...front, db, dataPath, recorder })
  openApi(startup, { ...front, databaseUrl, shadow, monitoring, figures })
  const listener = await openMqtt(startup, { ...front, broker })
  const exposition = new Exposition({
    ingest,
    budget,
    maintenance,
    audit,
    credentials,
    recorder,
    database: monitoring.database,
    problems: monitoring.problems,
    webhookPosts: monitoring.keeper.posts,
    connections: () => broker.gates.size,
    handshakesWaiting: () => listener.waiting,
    offlineDropped: () => broker.offlineDropped
  })
  serving.running = { db, link, ingest, maintenance, credentials, progress, meter, exposition }

  const mqttPorts = listener.ports
  const event = { event: 'listening', mqttPort: mqttPorts[0], mqttPorts, httpPort, engine: engine.name }
  log.info(event, processLink ? 'a process listens' : 'listening')
  processLink?.listening(mqttPorts, httpPort) // after its own line, because the primary then logs that all listen
  return {
    mqttPorts,
    httpPort,
    databaseUrl,
    engine,
    workers: config.workers,
    reload: () => front.reload(),
    stop: async () => {
      serving.isStopping = true
      await lifetime.close()
      return dataPath.isSettled()
    }
  }
}
