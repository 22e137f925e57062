// The composition root: starts the parts of a server in order, each ready before the next, and stops them in reverse.
// Stopping first reads no more, then stores and acknowledges what is admitted, then says goodbye.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { Broker } from '../broker/broker.ts'
import { HistoryThread } from '../history/derive/historyThread.ts'
import { Ingest, type IngestReport } from '../ingest/ingest.ts'
import { type Engine, migrateDatabase, startFault } from '../ingest/migrate.ts'
import { atMost } from '../model/atMost.ts'
import { ConfigError, RetryableError } from '../model/errors.ts'
import { Budget } from '../model/server/budget.ts'
import { Access } from './access/access.ts'
import { Audit } from './access/audit.ts'
import { isLoopbackHost } from './access/loopback.ts'
import { TokenCache } from './access/tokenCache.ts'
import type { ServerConfig } from './config.ts'
import { type ApiParts, apiRoutes } from './http/api/api.ts'
import { Exporting } from './http/api/exports.ts'
import { Registry } from './http/api/registry.ts'
import { healthRoutes } from './http/health.ts'
import { Http } from './http/http.ts'
import { openHttpTls } from './http/httpTls.ts'
import { LiveFeed } from './http/live/liveFeed.ts'
import { pageRoutes } from './http/page/page.ts'
import { signInRoutes } from './http/signIn.ts'
import { stopBatchesMs, stopLeastMs, stopRestMs, stopTotalMs } from './limits.ts'
import { IngestMeter } from './monitoring/ingestMeter.ts'
import { IngestOfAll } from './monitoring/ingestOfAll.ts'
import { Metrics } from './monitoring/metrics.ts'
import { Monitoring } from './monitoring/monitoring.ts'
import { Progress, type ProgressReport } from './monitoring/progress.ts'
import { goingAway, type ReadinessParts, readiness, starting } from './monitoring/readiness.ts'
import { watchNodes } from './peers/nodes.ts'
import { openLink, openSharedShadow, takeOverFrom, watchPeers } from './peers/peers.ts'
import { type Answers, ProcessLink } from './peers/processLink.ts'
import type { SharedShadow } from './peers/sharedShadow.ts'
import { probePort } from './ports.ts'
import { ConnectionWriter, loadConnections, onlineElsewhere } from './store/connections.ts'
import { faultOf } from './store/databaseWatch.ts'
import { startEmbeddedDatabase } from './store/embeddedDatabase.ts'
import { LatestWriter, loadLatest } from './store/latest.ts'
import { openReadPool } from './store/readPool.ts'
import { type QuotaReport, watchQuotas } from './store/rejectedQuota.ts'
import { Credentials } from './trust/credentials.ts'
import { openMqttListener } from './trust/mqttListener.ts'

export interface RunningServer {
  readonly mqttPorts: readonly number[]
  readonly httpPort: number
  readonly databaseUrl: string
  readonly engine: Engine
  readonly workers: number
  /** Reads the certificate files now, and not only when they have been the same for a moment. */
  reload(): void
  /** Idempotent. True when everything admitted was stored and acknowledged in time. */
  stop(): Promise<boolean>
}

const databaseRetryMs = 1_000

/**
 * Resolves when the server listens. Throws ConfigError for what the operator must change; waits for a database that is
 * away, until `abort`: then it undoes what it started, and throws the signal's reason.
 */
export async function startServer(
  config: ServerConfig,
  log: Logger,
  abort: AbortSignal = new AbortController().signal
): Promise<RunningServer> {
  const stops: Stop[] = []
  try {
    return await start(config, log, stops, abort)
  } catch (error) {
    await runReversed(stops)
    throw error
  }
}

async function start(config: ServerConfig, log: Logger, stops: Stop[], abort: AbortSignal): Promise<RunningServer> {
  const audit = new Audit({ log, node: config.nodeId, now: Date.now })
  const credentials = new Credentials({
    paths: config.tls,
    crlStrict: config.crlStrict,
    report: audit.report,
    warned: reason => log.warn({ event: 'tls_warning', reason }, 'certificates need attention')
  })
  const httpTls = config.httpTls && openHttpTls(config.httpTls, audit.report)

  // First the HTTP port: it tells what the rest is waiting for.
  let ready: (ReadinessParts & { readonly metrics: Metrics; readonly meter: IngestMeter }) | undefined
  let stopping: Promise<boolean> | undefined
  let tokenCache: TokenCache | undefined
  let api: ApiParts | undefined
  const answers: Answers = {
    readiness: () => (stopping ? goingAway : ready ? readiness(ready) : starting),
    metrics: () => ready?.metrics.registry.getMetricsAsJSON(),
    ingest: () => ready?.meter.share()
  }
  const access = new Access({
    tokenCache: () => tokenCache,
    isLoopback: isLoopbackHost(config.httpHost),
    isTls: httpTls !== undefined,
    report: audit.report
  })
  const processLink = config.part && new ProcessLink(answers)
  const openHttp = (): Promise<Http> =>
    Http.open({
      host: config.httpHost,
      port: config.httpPort,
      tls: httpTls?.current,
      access,
      routes: [
        ...healthRoutes({
          readiness: () => processLink?.readiness() ?? answers.readiness(),
          metrics: () => ready && (processLink?.metrics(ready.metrics) ?? ready.metrics.text())
        }),
        ...signInRoutes(access, () => tokenCache),
        ...apiRoutes(() => api),
        ...pageRoutes({ failed: error => log.error({ event: 'page_failed', reason: error.message }, 'no dashboard') })
      ],
      failed: (path, { message }) => log.error({ event: 'http_failed', path, reason: message }, 'a request failed')
    })
  // Of several processes the first one serves it for all.
  const http = (config.part?.number ?? 1) === 1 ? await openPort('--http-port', config.httpPort, openHttp) : undefined
  const stopHttpTls = httpTls?.watch(next => http?.replaceTls(next))
  stops.push(async () => {
    stopHttpTls?.()
    await http?.close()
  })
  // A taken port is told at once, not after the database has started.
  for (const port of config.part ? [] : config.mqttPorts)
    await openPort('--mqtt-port', port, () => probePort(config.mqttHost, port))

  const { databaseUrl, engine } = await openDatabase(config, log, stops, abort)
  const db = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'chargelift server',
    max: 4,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000
  })
  db.on('error', error =>
    log.warn({ event: 'database_connection_lost', reason: error.message }, 'database connection lost')
  )
  stops.push(() => atMost(stopRestMs, db.end()))
  tokenCache = await whenDatabaseAnswers(log, abort, () => openTokenCache(db, config, log))
  stops.push(async () => tokenCache?.close())
  audit.storeIn(db)

  const latest = new LatestWriter(db, error =>
    log.warn({ event: 'latest_failed', reason: error.message }, 'latest readings not written')
  )
  const connections = new ConnectionWriter(db, error =>
    log.warn({ event: 'connections_failed', reason: error.message }, 'edge connections not written')
  )
  stops.push(() => atMost(stopRestMs, Promise.all([latest.close(), connections.close(), audit.close()])))

  const feed = new LiveFeed({ figures: () => figures.figures() })
  const link = await openLink(config, log)
  stops.push(async () => link?.close())
  const budget = new Budget(config.budgetBytes)
  const ingest: Ingest = new Ingest({
    databaseUrl,
    workers: config.workers,
    acceptPastMs: config.acceptPastMs,
    budget,
    now: Date.now,
    committed: newest => broker.committed(newest),
    report: ingestReport(log, () => metrics)
  })
  const maintenance = new HistoryThread({
    databaseUrl,
    node: config.nodeId,
    retentionMs: config.retentionMs,
    committed: () => ingest.counters.committed,
    failed: (reason, charger) => log.error({ event: 'history_failed', charger, reason }, 'history is not up to date')
  })
  const stopMaintenance = maintenance.start()
  stops.push(() => atMost(stopRestMs, stopMaintenance()))
  let settled = false
  const broker: Broker = await Broker.open({
    admission: ingest,
    budget,
    limits: config.limits,
    link,
    report: audit.report,
    failed: error => log.error({ event: 'broker_failed', reason: error.message }, 'broker failed'),
    advanced: (topic, entry) => {
      latest.note(topic, entry)
      shared?.note(topic, entry)
      feed.note(topic, entry)
    },
    presented: (topic, entry) => {
      shared?.note(topic, entry)
      feed.note(topic, entry)
    },
    heard: (topic, entry) => feed.note(topic, entry),
    presence: {
      node: config.nodeId,
      graceMs: config.presenceGraceMs,
      store: connection => connections.note(connection),
      onlineElsewhere: chargers => askOthers(config, db, chargers)
    }
  })
  const shared: SharedShadow | undefined = openSharedShadow(link, broker.shadow, newest => broker.heard(newest))
  stops.push(async () => shared?.close())
  stops.push(async () => {
    if (config.drainMs > 0) await broker.drain(config.drainMs)
    broker.stopReading()
    settled = await ingest.close(stopBatchesMs)
    await broker.close()
  })
  const monitoring = new Monitoring({
    config,
    log,
    db,
    chargers: broker.shadow.byCharger,
    isInTrouble: () => ingest.trouble !== undefined
  })
  const metrics: Metrics = new Metrics({
    ingest,
    database: monitoring.database,
    problems: monitoring.problems,
    webhookPosts: monitoring.keeper.posts,
    maintenance,
    credentials,
    budget,
    audit,
    connections: () => broker.gates.size,
    handshakesWaiting: () => mqttListener.waiting,
    offlineDropped: () => broker.offlineDropped
  })
  const meter: IngestMeter = new IngestMeter({
    node: config.nodeId,
    version: monitoring.version,
    ingest,
    metrics,
    database: monitoring.database,
    budget,
    credentials,
    connections: () => broker.gates.size,
    problems: monitoring.problems
  })
  await shared?.load().catch(() => {}) // then from the database alone
  const takeOver = takeOverFrom(() => loadLatest(db), broker, shared)
  const figures =
    processLink && config.part?.number === 1
      ? new IngestOfAll(
          () => meter.figures(),
          () => processLink.ingest()
        )
      : meter
  broker.presence.load(
    await whenDatabaseAnswers(log, abort, async () => {
      await takeOver()
      await monitoring.load()
      return loadConnections(db)
    })
  )
  const repairFailed = ({ message }: Error): void =>
    log.warn({ event: 'repair_failed', reason: message }, 'what another server stored last is not known')
  stops.push(async () => stopPeers?.())
  const stopPeers = link && watchPeers({ link, repair: takeOver, failed: repairFailed })
  const stopNodes = watchNodes({
    db,
    node: config.nodeId,
    silentMs: config.nodeSilentMs,
    gone: (charger, sinceUs) => broker.presence.goneElsewhere(charger, sinceUs),
    wasTakenOut: () => broker.presence.tellAgain(),
    failed: ({ message }) => log.warn({ event: 'nodes_failed', reason: message }, 'not known which servers live')
  })
  stops.push(() => atMost(stopRestMs, stopNodes()))
  const readDb = openReadPool(config.readDatabaseUrl ?? databaseUrl, error =>
    log.warn({ event: 'read_database_connection_lost', reason: error.message }, 'connection for reading lost')
  )
  stops.push(() => atMost(stopRestMs, readDb.end()))
  stops.push(async () => feed.close())
  api = {
    newest: broker.shadow,
    registry: new Registry(readDb),
    problems: charger => monitoring.problems.problemsOf(charger),
    problemList: () => monitoring.problems.list(),
    figures: () => figures.figures(),
    feed,
    access,
    exporting: new Exporting(),
    db: readDb
  }
  const stopOperations = monitoring.start()
  stops.push(() => atMost(stopRestMs, stopOperations()), meter.watch())
  if (figures !== meter) stops.push(figures.watch())
  const progress = new Progress({
    counters: ingest.counters,
    now: Date.now,
    databaseFault: () => faultOf(db),
    report: progressReport(log)
  })
  stops.push(progress.watch())
  const stopQuotas = watchQuotas(db, () => ingest.counters.rejectedTotal, quotaReport(log, metrics))
  stops.push(() => atMost(stopRestMs, stopQuotas()))

  const mqttListener = await openPort('--mqtt-port', config.mqttPorts[0]!, () =>
    openMqttListener({
      config,
      credentials,
      accept: (socket, identity) => broker.accept(socket, identity),
      report: audit.report,
      failed: error => log.error({ event: 'recheck_failed', err: error }, 'live connections not judged anew')
    })
  )
  stops.push(() => mqttListener.close()) // the last one, and so the first to stop: nobody new comes in while the rest ends
  ready = { db, ingest, progress, metrics, meter, maintenance, link, credentials }

  const mqttPorts = mqttListener.ports
  const httpPort = http?.port ?? config.httpPort
  const event = { event: 'listening', mqttPort: mqttPorts[0], mqttPorts, httpPort, engine: engine.name }
  log.info(event, processLink ? 'a process listens' : 'listening')
  processLink?.listening(mqttPorts, httpPort) // after its own line: that of all comes last
  return {
    mqttPorts,
    httpPort,
    databaseUrl,
    engine,
    workers: config.workers,
    reload: () => {
      credentials.reload()
      httpTls?.reload()
    },
    stop: () => {
      stopping ??= runReversed(stops, config.drainMs + stopTotalMs).then(() => settled)
      return stopping
    }
  }
}

export async function openDatabase(
  config: ServerConfig,
  log: Logger,
  stops: Stop[],
  abort: AbortSignal
): Promise<{ databaseUrl: string; engine: Engine }> {
  const restarted = (reason: string): void =>
    log.error({ event: 'database_ended', reason }, 'the embedded database ended, starting it again')
  const embedded = config.databaseUrl === undefined ? await startEmbeddedDatabase(config.dataDir, restarted) : undefined
  if (embedded) stops.push(leftMs => embedded.stop(leftMs))
  const databaseUrl = embedded?.url ?? config.databaseUrl!
  const engine = await whenDatabaseAnswers(log, abort, () => migrateDatabase(databaseUrl))
  const { name, description, risks } = engine
  for (const risk of risks)
    log.warn({ event: 'database_risk', reason: risk }, 'the database may lose what is acknowledged')
  log.info(
    { event: 'database_ready', engine: name, version: description, urlFile: embedded?.urlFile },
    'database ready'
  )
  return { databaseUrl, engine }
}

async function openTokenCache(db: pg.Pool, { httpHost }: ServerConfig, log: Logger): Promise<TokenCache> {
  const tokenCache = await TokenCache.open(db, error =>
    log.warn({ event: 'tokens_failed', reason: error.message }, 'tokens not read: those known before are in force')
  )
  if (!tokenCache.isGuarded && !isLoopbackHost(httpHost)) {
    const reason = 'there is no token yet: make one with "chargelift tokens add NAME"'
    log.warn({ event: 'no_tokens', reason }, 'nobody can use the HTTP port')
  }
  return tokenCache
}

/** Ends a part; `leftMs` is what is left of the time for all. */
export type Stop = (leftMs: number) => Promise<unknown>

/** Ends what was started, the last first. */
export async function runReversed(stops: Stop[], withinMs = stopTotalMs): Promise<void> {
  const byMs = performance.now() + withinMs
  for (const stop of stops.splice(0).reverse()) await stop(Math.max(stopLeastMs, byMs - performance.now()))
}

/** Who is alone knows for itself, also while the database is away. */
async function askOthers(
  { nodeId, redisUrl }: ServerConfig,
  db: pg.Pool,
  chargers: readonly string[]
): Promise<ReadonlySet<string>> {
  try {
    return await onlineElsewhere(db, nodeId, chargers)
  } catch (error) {
    if (redisUrl === undefined) return new Set()
    throw error
  }
}

/** A database that does not answer must not keep the server from stopping. */
/** Tries until the database answers: at boot it may come up later than the server, or go away once more. */
async function whenDatabaseAnswers<T>(log: Logger, abort: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const fault = startFault(error as Error)
      if (!(fault instanceof RetryableError)) throw fault
      if (attempt === 1) log.warn({ event: 'database_away', reason: fault.message }, 'waiting for the database')
      await sleep(databaseRetryMs, undefined, { signal: abort })
    }
  }
}

export async function openPort<T>(flag: string, port: number, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    const { code, message, port: taken = port } = error as NodeJS.ErrnoException & { port?: number }
    const isHostsFault = code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
    const path = isHostsFault ? flag.replace('port', 'host') : flag
    const expected = isHostsFault ? 'an address of this machine' : 'a port that can be listened on'
    const found = code === 'EADDRINUSE' ? `port ${taken} in use already; choose another with ${flag}` : message
    throw new ConfigError([{ path, expected, found }], { cause: error })
  }
}

const progressReport = (log: Logger): ProgressReport => ({
  stalled: reason => log.error({ event: 'no_progress', reason }, 'no progress'),
  resumed: () => log.info({ event: 'progress_resumed' }, 'messages are settled again')
})

const quotaReport = (log: Logger, metrics: Metrics): QuotaReport => ({
  evicted: (quota, count) => {
    metrics.rejectedEvicted(quota, count)
    log.warn({ event: 'rejected_evicted', quota, count }, 'rejected messages deleted: too many, or too old')
  },
  failed: error => log.warn({ event: 'rejected_quota_failed', reason: error.message }, 'rejected messages not bounded')
})

function ingestReport(log: Logger, metrics: () => Metrics): IngestReport {
  return {
    stored: (result, seconds) => metrics().batchStored(seconds, result.rows),
    acknowledged: (batch, outcomes) => metrics().acknowledged(batch, outcomes),
    kept: ({ code, message }, attempt) => {
      if (attempt === 1) log.warn({ event: 'batch_kept', code, reason: message }, 'batch kept, retrying')
    },
    workerDied: error => log.error({ event: 'worker_died', err: error }, 'a worker thread died, and is replaced'),
    recovered: () => log.info({ event: 'batch_recovered' }, 'batches are stored again')
  }
}
