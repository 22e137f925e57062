// The edge, composed: a spool, a publisher, and per charger a driver, a watch and a poll loop.
// Starts what it needs in that order and stops it in reverse: polling first, then publishing, the disk last.

import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { drainOnStopMs, pollStuckMs } from '../model/limits.ts'
import { type Charger, type Clock, PollError, type Sample } from './chargers/charger.ts'
import { loadDriver, openCharger } from './chargers/registry.ts'
import { askKernel, EdgeTime, readBootId, systemClock } from './clock.ts'
import type { ChargerConfig, EdgeConfig } from './config.ts'
import { EnergyFile } from './energyFile.ts'
import { Held } from './held.ts'
import { pollForever } from './poll.ts'
import { Publisher } from './publish.ts'
import { takeReplayRequests } from './replay.ts'
import { openSpool, type Spool } from './spool.ts'
import { spoolLog } from './spoolLog.ts'
import { factsOf, readVersion, type StatusSource } from './status.ts'
import { Watch } from './watch.ts'

export interface RunningEdge {
  /** False when a charger's polls have stood still for minutes, which no charger can bring about. */
  isAlive(): boolean
  /** Nothing waits for an acknowledgement, nor for the time. */
  isSettled(): boolean
  /** What it is like now, for a file on this machine: EdgeStatus of each charger, by name. Counts what is spooled. */
  report(): { readonly connected: boolean; readonly chargers: Readonly<Record<string, object>> }
  /** Polls no more, lets spooled samples leave for a few seconds, closes everything. What is left stays on disk. May be called twice. */
  stop(): Promise<void>
}

export interface EdgeParts {
  readonly log: Logger
  readonly clock?: Clock
  /** Asks the kernel whether its clock is synchronised; see askKernel. */
  readonly kernel?: () => Promise<boolean | undefined>
  /** Another charger that answers at the address of a known one is that one from now on. */
  readonly acceptsSerial?: boolean
  /** Wh by charger: the lifetime energy of chargers that this disk does not know, as it is now. */
  readonly energyStartWh?: ReadonlyMap<string, number>
  /** Each charger is polled once and no more; `onRound` tells whether it gave a sample. */
  readonly once?: { readonly onRound: (charger: string, hasSample: boolean) => void }
  /** Of a poll, for tests. */
  readonly pollTimeoutMs?: number
}

/** Loads the code that startEdge is going to need for this configuration. */
export async function loadEdge({ chargers }: Pick<EdgeConfig, 'chargers'>): Promise<void> {
  await Promise.all([import('mqtt'), ...chargers.map(({ driver }) => loadDriver(driver))])
}

/** Runs until stop. Throws ConfigError when the spool cannot be opened. */
export async function startEdge(config: EdgeConfig, parts: EdgeParts): Promise<RunningEdge> {
  const { log, clock = systemClock, kernel = askKernel } = parts
  reportConfig(config, log)
  const time = new EdgeTime({ clock, kernel, log, onKnown: () => settleTimes() })
  const spool = openSpool({ ...config.spool, ...spoolLog(log), nowMs: () => time.now() ?? clock.nowMs() })
  const energyFile = new EnergyFile(config.spool.path, log, clock.monotonicMs)
  const watches = new Map<string, Watch>()
  const bootId = readBootId()
  const held = new Held({
    spool,
    time,
    bootId,
    memoryOf: charger => watches.get(charger)?.memory,
    onStamped: (charger, memory) => watches.get(charger)?.stamped(memory),
    log
  })
  const certified = new Set(config.certifiedChargers)
  const source = statusOf(config, spool, watches, time)
  const publisher = new Publisher({
    broker: config.broker,
    identity: config.identity,
    tls: config.tls,
    spool,
    currentState: () => [...watches.values()].map(watch => watch.now()),
    mayPublish: charger => certified.has(charger),
    ownCharger: config.certifiedChargers[0] ?? config.identity,
    onServerTime: (serverMs, roundTripMs) => time.serverSays(serverMs, roundTripMs),
    // A time that nobody has confirmed may be one that the server refuses: it is asked before anything is published.
    seedsWanted: () => [...watches].flatMap(([name, watch]) => (watch.wantsSeed || !time.isConfirmed ? [name] : [])),
    onRetained: (charger, retained) => watches.get(charger)?.seed(retained),
    status: source,
    log
  })
  const onAppended = (isHeld: boolean) => (isHeld ? held.noteAppended() : publisher.wake())
  for (const { name } of config.chargers) {
    const watch = new Watch({
      charger: name,
      spool,
      heartbeatMs: config.heartbeatMs,
      clock,
      time,
      bootId,
      log,
      onAppended,
      saved: energyFile.of(name),
      onEnergy: (saved, step) => energyFile.note(name, saved, step),
      energyStartWh: parts.energyStartWh?.get(name),
      acceptsSerial: parts.acceptsSerial ?? false
    })
    watches.set(name, watch)
  }
  const settleTimes = () => {
    try {
      held.settle()
      for (const watch of watches.values()) watch.pullBack()
      publisher.wake()
    } catch (error) {
      // The disk: every sample that is taken tries again.
      log.error({ event: 'spool_failed', err: error }, 'the spool cannot be used')
    }
  }
  await time.start()
  await publisher.start()
  const take = (watch: Watch, sample: Sample) => {
    held.settle()
    watch.take(sample)
  }
  const polls = await Promise.all(
    config.chargers.map(charger => startPolling(charger, watches.get(charger.name)!, take, parts))
  )
  const stopReplays = new AbortController()
  void takeReplayRequests(
    { spool, spoolPath: config.spool.path, onReplay: () => publisher.rewind(), log },
    stopReplays.signal
  )
  const stop = async () => {
    stopReplays.abort()
    await Promise.all(polls.map(poll => poll.stop()))
    await publisher.stop(drainOnStopMs)
    time.stop()
    energyFile.flush()
    spool.close()
  }
  let stopping: Promise<void> | undefined
  return {
    isAlive: () => polls.every(poll => clock.monotonicMs() < poll.dueMs() + pollStuckMs),
    isSettled: () => spool.unsettledCount() === 0,
    report: () => ({
      connected: publisher.isConnected,
      chargers: Object.fromEntries(source.chargers.map(name => [name, factsOf(source, name, source.spool())]))
    }),
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

const statusOf = (
  config: EdgeConfig,
  spool: Spool,
  watches: ReadonlyMap<string, Watch>,
  time: EdgeTime
): StatusSource => ({
  version: readVersion(),
  certificateEndsMs: config.certificateEndsMs,
  chargers: config.chargers.map(({ name }) => name),
  nowMs: () => (time.isConfirmed ? time.now() : undefined),
  clock: () => time.state,
  spool: () => ({
    usedBytes: spool.usedBytes(),
    unsettledCount: spool.unsettledCount(),
    oldestUnsettledMs: spool.oldestUnsettledMs(),
    thinned: spool.thinned,
    dropped: spool.dropped
  }),
  charger: name => {
    const { reachability, implausible, epochs } = watches.get(name)!
    const sinceMs = reachability && time.at(reachability.sinceMonotonicMs)
    return {
      implausible,
      epochs,
      ...(sinceMs === undefined ? {} : { reachability: { state: reachability!.state, sinceMs } })
    }
  }
})

interface Polling {
  /** When the next poll begins, or began, by the monotonic clock. */
  dueMs(): number
  /** Ends the loop and waits for it. */
  stop(): Promise<void>
}

async function startPolling(
  config: ChargerConfig,
  watch: Watch,
  take: (watch: Watch, sample: Sample) => void,
  { log, clock = systemClock, once, pollTimeoutMs }: EdgeParts
): Promise<Polling> {
  const { name, driver, url, devKey, phases, pollIntervalMs } = config
  const charger: Charger = await openCharger(driver, {
    url,
    devKey: devKey?.reveal() ?? '',
    ...(phases === undefined ? {} : { phases }),
    clock,
    ...(pollTimeoutMs === undefined ? {} : { timeoutMs: pollTimeoutMs })
  })
  const stop = new AbortController()
  let hasSample = false
  let dueMs = clock.monotonicMs()
  const polling = pollForever(
    {
      charger,
      ...(pollIntervalMs === undefined ? {} : { intervalMs: pollIntervalMs }),
      onSample: sample => {
        take(watch, sample)
        hasSample = true
      },
      afterSample: () => fillGap(charger, watch),
      onMiss: error => watch.miss(error),
      onFault: error => log.error({ event: 'sample_failed', charger: name, err: error }, 'a sample was not spooled'),
      monotonicMs: clock.monotonicMs,
      wait: async (ms, signal) => {
        dueMs = clock.monotonicMs() + ms
        once?.onRound(name, hasSample)
        await (once ? onceAborted(signal) : delay(ms, undefined, { signal }).catch(() => {}))
      }
    },
    stop.signal
  )
  return {
    dueMs: () => dueMs,
    stop: async () => {
      stop.abort()
      await charger.close()
      await polling
    }
  }
}

const onceAborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** Asks the charger's records of a gap, once, whether they answer or not. */
async function fillGap(charger: Charger, watch: Watch): Promise<void> {
  const gap = watch.openGap
  if (gap === undefined) return
  try {
    watch.fill(await charger.records?.(gap.sinceMs, gap.nowMs))
  } catch (error) {
    if (!(error instanceof PollError)) throw error
    watch.fill(undefined)
  }
}
