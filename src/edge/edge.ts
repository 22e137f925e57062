// The edge, composed: a spool, a publisher, and per charger a driver, a watch and a poll loop.
// Starts what it needs in that order and stops it in reverse: polling first, then publishing, the disk last.

import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { drainOnStopMs } from '../model/limits.ts'
import type { Charger, Clock } from './chargers/charger.ts'
import { loadDriver, openCharger } from './chargers/registry.ts'
import { isTrustworthy, systemClock } from './clock.ts'
import type { ChargerConfig, EdgeConfig } from './config.ts'
import { pollForever } from './poll.ts'
import { Publisher } from './publish.ts'
import { takeReplayRequests } from './replay.ts'
import { openSpool, type Spool } from './spool.ts'
import { spoolLog } from './spoolLog.ts'
import { readVersion, type StatusSource } from './status.ts'
import { Watch } from './watch.ts'

export interface RunningEdge {
  /** Polls no more, lets spooled samples leave for a few seconds, closes everything. What is left stays on disk. May be called twice. */
  stop(): Promise<void>
}

export interface EdgeParts {
  readonly log: Logger
  readonly clock?: Clock
}

/** Loads the code that startEdge is going to need for this configuration. */
export async function loadEdge({ chargers }: Pick<EdgeConfig, 'chargers'>): Promise<void> {
  await Promise.all([import('mqtt'), ...chargers.map(({ driver }) => loadDriver(driver))])
}

/** Runs until stop. Throws ConfigError when the spool cannot be opened. */
export async function startEdge(config: EdgeConfig, { log, clock = systemClock }: EdgeParts): Promise<RunningEdge> {
  reportConfig(config, log)
  const spool = openSpool({ ...config.spool, ...spoolLog(log) })
  const certified = new Set(config.certifiedChargers)
  const watches: Watch[] = []
  const publisher = new Publisher({
    broker: config.broker,
    identity: config.identity,
    tls: config.tls,
    spool,
    currentState: () => watches.map(watch => watch.now()),
    mayPublish: charger => certified.has(charger),
    ownCharger: config.certifiedChargers[0] ?? config.identity,
    status: statusOf(config, spool, clock),
    log
  })
  const rounds = config.chargers.map(charger => {
    const watch = watchOf(charger, config, spool, () => publisher.wake(), clock, log)
    watches.push(watch)
    return { charger, watch }
  })
  await publisher.start()
  const polls = await Promise.all(rounds.map(({ charger, watch }) => startPolling(charger, watch, clock, log)))
  const stopReplays = new AbortController()
  void takeReplayRequests(
    { spool, spoolPath: config.spool.path, onReplay: () => publisher.rewind(), log },
    stopReplays.signal
  )
  const stop = async () => {
    stopReplays.abort()
    await Promise.all(polls.map(stopPolling => stopPolling()))
    await publisher.stop(drainOnStopMs)
    spool.close()
  }
  let stopping: Promise<void> | undefined
  return {
    stop: () => {
      stopping ??= stop()
      return stopping
    }
  }
}

function reportConfig(config: EdgeConfig, log: Logger): void {
  for (const { path, expected, found } of config.warnings) {
    log.warn({ event: 'config_warning', path, expected, found }, 'odd configuration')
  }
  const { identity, chargers, certificateEndsMs } = config
  const certificateEnds = new Date(certificateEndsMs).toISOString()
  log.info({ event: 'started', identity, chargers: chargers.map(({ name }) => name), certificateEnds }, 'edge started')
}

const statusOf = (config: EdgeConfig, spool: Spool, clock: Clock): StatusSource => ({
  version: readVersion(),
  certificateEndsMs: config.certificateEndsMs,
  chargers: config.chargers.map(({ name }) => name),
  nowMs: () => (isTrustworthy(clock.nowMs()) ? clock.nowMs() : undefined),
  spool: () => ({
    usedBytes: spool.usedBytes(),
    unsettledCount: spool.unsettledCount(),
    oldestUnsettledMs: spool.oldestUnsettledMs(),
    thinned: spool.thinned,
    dropped: spool.dropped
  })
})

const watchOf = (
  { name }: ChargerConfig,
  { heartbeatMs }: EdgeConfig,
  spool: Spool,
  onAppended: () => void,
  clock: Clock,
  log: Logger
): Watch => new Watch({ charger: name, spool, heartbeatMs, clock, log, onAppended })

/** Resolves with what ends the loop and waits for it. */
async function startPolling(
  config: ChargerConfig,
  watch: Watch,
  clock: Clock,
  log: Logger
): Promise<() => Promise<void>> {
  const { name, driver, url, devKey, phases, pollIntervalMs } = config
  const charger: Charger = await openCharger(driver, {
    url,
    devKey: devKey?.reveal() ?? '',
    ...(phases === undefined ? {} : { phases }),
    clock
  })
  const stop = new AbortController()
  const polling = pollForever(
    {
      charger,
      ...(pollIntervalMs === undefined ? {} : { intervalMs: pollIntervalMs }),
      onSample: sample => watch.take(sample),
      onMiss: error => watch.miss(error),
      onFault: error => log.error({ event: 'sample_failed', charger: name, err: error }, 'a sample was not spooled'),
      monotonicMs: clock.monotonicMs,
      wait: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {})
    },
    stop.signal
  )
  return async () => {
    stop.abort()
    await charger.close()
    await polling
  }
}
