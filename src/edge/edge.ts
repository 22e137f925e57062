// The edge, composed: a spool, a publisher, and per charger a driver, a recorder and a poll loop. It starts them in
// that order and stops them in reverse: first polling, then publishing, and the disk last.

import type { Logger } from 'pino'
import { readVersion } from '../model/assets.ts'
import { Lifetime } from '../model/lifetime.ts'
import { ChargerRecorder } from './chargerRecorder.ts'
import { loadDriver } from './chargers/registry.ts'
import type { EdgeConfig } from './config.ts'
import { EnergyFile } from './energy/energyFile.ts'
import { drainOnStopMs, pollStuckMs } from './limits.ts'
import { type Polling, startPolling } from './polling.ts'
import { takeReplayRequests } from './spool/replay.ts'
import { openSpool, type Spool } from './spool/spool.ts'
import { faultLog, spoolLog } from './spool/spoolLog.ts'
import { UndatedSamples } from './spool/undatedSamples.ts'
import type { Clock } from './time/clock.ts'
import { askKernel, EdgeTime, readBootId, systemClock } from './time/clock.ts'
import { Publisher } from './uplink/publish.ts'
import { acceptsEarly } from './uplink/serverCheck.ts'
import { factsOf, type StatusSource } from './uplink/status.ts'

export interface RunningEdge {
  /** False when the polls of a charger have stood still for minutes. No charger can cause that. */
  isAlive(): boolean
  /** True when no sample waits for an acknowledgement or for the time. */
  isSettled(): boolean
  /** The current state, for a file on this machine: EdgeStatus of each charger, by name. Counts the spooled samples. */
  report(): { readonly connected: boolean; readonly chargers: Readonly<Record<string, object>> }
  /**
   * Stops polling, gives spooled samples a few seconds to leave, and closes everything. What is left stays on disk.
   * May be called twice.
   */
  stop(): Promise<void>
}

export interface EdgeParts {
  readonly log: Logger
  readonly clock?: Clock
  /** Asks the kernel whether its clock is synchronised; see askKernel. */
  readonly kernel?: () => Promise<boolean | undefined>
  /** A new charger that answers at a known address replaces the old one from now on. */
  readonly acceptsSerial?: boolean
  /** By charger, in Wh: the current lifetime energy of chargers that this disk does not know. */
  readonly energyStartWh?: ReadonlyMap<string, number>
  /** Each charger is polled once only; `onRound` is told whether the poll gave a sample. */
  readonly once?: { readonly onRound: (charger: string, hasSample: boolean) => void }
  /** The limit of a poll, for tests. */
  readonly pollTimeoutMs?: number
}

/** Loads the code that startEdge needs for this configuration. */
export async function loadEdge({ chargers }: Pick<EdgeConfig, 'chargers'>): Promise<void> {
  await Promise.all([import('mqtt'), ...chargers.map(({ driver }) => loadDriver(driver))])
}

/** What the parts of one edge share. */
interface Site {
  readonly config: EdgeConfig
  readonly parts: EdgeParts
  readonly log: Logger
  readonly clock: Clock
  /** Names this start of the machine. */
  readonly bootId: string
  readonly time: EdgeTime
  readonly spool: Spool
  /** By charger. */
  readonly recorders: ReadonlyMap<string, ChargerRecorder>
}

/** Runs until stop. Throws ConfigError when the spool cannot be opened. */
export async function startEdge(config: EdgeConfig, parts: EdgeParts): Promise<RunningEdge> {
  const { log, clock = systemClock, kernel = askKernel } = parts
  reportConfig(config, log)
  const time = new EdgeTime({ clock, kernel, log, onKnown: () => timeIsKnown() })
  const spool = openSpool({ ...config.spool, ...spoolLog(log), nowMs: () => time.now() ?? clock.nowMs() })
  const energyFile = new EnergyFile(config.spool.path, log, clock.monotonicMs)
  const recorders = new Map<string, ChargerRecorder>()
  const site: Site = { config, parts, log, clock, bootId: readBootId(), time, spool, recorders }
  const undated = newUndatedSamples(site)
  const status = statusOf(site)
  const publisher = newPublisher(site, status)
  const onAppended = (isUndated: boolean) => (isUndated ? undated.noteAppended() : publisher.wake())
  for (const { name } of config.chargers) recorders.set(name, newRecorder(site, name, energyFile, onAppended))
  const timeIsKnown = () => stampAll(site, undated, publisher)
  await time.start()
  await publisher.start()
  const polls = await startPolls(site, undated)
  const replays = startReplays(site, publisher)
  const lifetime = new Lifetime()
  lifetime.owns(() => spool.close())
  lifetime.owns(() => energyFile.flush())
  lifetime.owns(() => time.stop())
  lifetime.owns(() => publisher.stop(drainOnStopMs))
  lifetime.owns(() => Promise.all(polls.map(poll => poll.stop())))
  lifetime.owns(() => replays.abort())
  return {
    isAlive: () => polls.every(poll => clock.monotonicMs() < poll.dueMs() + pollStuckMs),
    isSettled: () => spool.unsettledCount() === 0,
    report: () => ({
      connected: publisher.isConnected,
      chargers: Object.fromEntries(status.chargers.map(name => [name, factsOf(status, name, status.spool())]))
    }),
    stop: () => lifetime.close()
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

const newUndatedSamples = ({ spool, time, bootId, recorders, log }: Site): UndatedSamples =>
  new UndatedSamples({
    spool,
    time,
    bootId,
    memoryOf: charger => recorders.get(charger)?.memory,
    onStamped: (charger, memory) => recorders.get(charger)?.stamped(memory),
    log
  })

function newPublisher({ config, spool, time, recorders, log }: Site, status: StatusSource): Publisher {
  const { broker, identity, tls, certifiedChargers } = config
  const certified = new Set(certifiedChargers)
  return new Publisher({
    broker,
    identity,
    tls,
    spool,
    acceptsEarly: () => acceptsEarly(broker.host, tls.ca, time),
    currentState: () => [...recorders.values()].map(recorder => recorder.now()),
    mayPublish: charger => certified.has(charger),
    ownCharger: certifiedChargers[0] ?? identity,
    onServerTime: (serverMs, roundTripMs) => time.serverSays(serverMs, roundTripMs),
    // The server may refuse an unconfirmed time: it is asked for its own before anything is published.
    seedsWanted: () =>
      [...recorders].flatMap(([name, recorder]) => (recorder.wantsSeed || !time.isConfirmed ? [name] : [])),
    onRetained: (charger, retained) => recorders.get(charger)?.seed(retained),
    status,
    log
  })
}

const newRecorder = (
  { config, parts, spool, clock, time, bootId, log }: Site,
  charger: string,
  energyFile: EnergyFile,
  onAppended: (isUndated: boolean) => void
): ChargerRecorder =>
  new ChargerRecorder({
    charger,
    spool,
    heartbeatMs: config.heartbeatMs,
    clock,
    time,
    bootId,
    log,
    onAppended,
    saved: energyFile.of(charger),
    onEnergy: (saved, step) => energyFile.note(charger, saved, step),
    energyStartWh: parts.energyStartWh?.get(charger),
    acceptsSerial: parts.acceptsSerial ?? false
  })

function stampAll({ recorders, log }: Site, undated: UndatedSamples, publisher: Publisher): void {
  try {
    undated.settle()
    for (const recorder of recorders.values()) recorder.pullBack()
    publisher.wake()
  } catch (error) {
    // The disk failed: the next sample tries again.
    log.error({ event: 'spool_failed', err: error }, 'the spool cannot be used')
  }
}

function startPolls({ config, parts, clock, recorders, log }: Site, undated: UndatedSamples): Promise<Polling[]> {
  const { once, pollTimeoutMs } = parts
  const starts = config.chargers.map(charger => {
    const recorder = recorders.get(charger.name)!
    return startPolling({
      config: charger,
      recorder,
      clock,
      onSample: sample => {
        undated.settle()
        recorder.record(sample)
      },
      onFault: faultLog(log, charger.name),
      once: once && (hasSample => once.onRound(charger.name, hasSample)),
      timeoutMs: pollTimeoutMs
    })
  })
  return Promise.all(starts)
}

/** Until it is aborted. */
function startReplays({ config, spool, log }: Site, publisher: Publisher): AbortController {
  const over = new AbortController()
  const replays = { spool, spoolPath: config.spool.path, onReplay: () => publisher.rewind(), log }
  void takeReplayRequests(replays, over.signal)
  return over
}

const statusOf = ({ config, spool, recorders, time }: Site): StatusSource => ({
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
    const { reachability, implausible, epochs } = recorders.get(name)!
    const sinceMs = reachability && time.at(reachability.sinceMonotonicMs)
    return {
      implausible,
      epochs,
      ...(sinceMs === undefined ? {} : { reachability: { state: reachability!.state, sinceMs } })
    }
  }
})
