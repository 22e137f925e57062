// Takes samples from the spool to the server, and acknowledgements back: nothing else settles a sample. Promises: at
// most one connection; at most 512 messages without acknowledgement; the samples of each charger in sampling order;
// after every connect the current state first; nothing of a charger before the answer about its seed. Pauses between
// connections grow, and edges do not pause in step. It neither loses nor keeps a sample: it reads the spool when there
// is room, and gives back what a connection leaves.

import { createSecureContext, type SecureContext } from 'node:tls'
import type { Logger } from 'pino'
import type { Retained } from '../energy/seed.ts'
import type { Spool } from '../spool/spool.ts'
import { type AskLimits, Questions } from './ask.ts'
import { Backoff, type Ending, type ReconnectDelay } from './backoff.ts'
import { Connection, type Mqtt } from './connection.ts'
import { type ChargerNow, Feed, type Parcel } from './feed.ts'
import {
  connectionProvenMs,
  publishWindowMax,
  settleCountMax,
  settleDelayMsMax,
  statusLookIntervalMs
} from './limits.ts'
import { isDenied, whatToDo } from './reasons.ts'
import type { AcceptsEarly } from './serverCheck.ts'
import { StatusReporter, type StatusSource } from './status.ts'

export interface PublisherOptions {
  readonly broker: { readonly host: string; readonly port: number }
  /** CN of the certificate, and MQTT client id. */
  readonly identity: string
  /** PEM. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly spool: Pick<Spool, 'page' | 'newestSeq' | 'settle' | 'giveBack' | 'flush'>
  /** Called at every connect; see serverCheck.ts. */
  readonly acceptsEarly?: () => AcceptsEarly | undefined
  /** The current state of every charger, as far as it is spooled. */
  readonly currentState: () => readonly ChargerNow[]
  readonly mayPublish: (charger: string) => boolean
  /** The first charger of the certificate: its `Connection` tells the server's time. Default: the identity. */
  readonly ownCharger?: string
  /**
   * Called at every connect and once an hour: the server's clock read `serverMs` at some moment of the last
   * `roundTripMs`.
   */
  readonly onServerTime?: (serverMs: number, roundTripMs: number) => void
  /** Called at every connect: chargers of which nothing may be published before `onRetained` was called for them. */
  readonly seedsWanted?: () => readonly string[]
  /** Called once per connect with what the server has of such a charger; empty if the charger never published. */
  readonly onRetained?: (charger: string, retained: Retained) => void
  /** The source of EdgeStatus; without it none is sent. */
  readonly status?: StatusSource
  readonly log: Logger
  /** For tests: 0 to 1, and limits in ms. */
  readonly random?: () => number
  readonly ackTimeoutMs?: number
  readonly reconnectDelayMs?: ReconnectDelay
  readonly askLimitsMs?: AskLimits
  readonly provenAfterMs?: number
}

/*
 * The publisher is in one of four states.
 *
 * stopped     Before start and after stop. Nothing happens.
 * connecting  A connection object exists; CONNACK has not come. -> connected on CONNACK 0; otherwise -> waiting.
 * connected   The publisher asks the server for its time and for the wanted seeds. The feed fills the window whenever a
 *             sample is appended or acknowledged, or a seed is decided; until then it leaves that charger out.
 *             -> waiting when the connection ends, for any reason: its window goes back to the spool.
 * waiting     A timer runs (backoff.ts). At process start and after a good connection, the pause is hashed from the
 *             name, at most 1 s and 10 s. Otherwise it is random, between 0 and a bound that doubles from 1 s to 2 min
 *             with every connection that did not live for 20 s. An acknowledgement does not make a connection good: a
 *             server that closes at one certain message acknowledges others before it. A client that the server denies
 *             waits for at least 30 s. -> connecting.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #secureContext: SecureContext
  readonly #backoff: Backoff
  readonly #statuses: StatusReporter | undefined
  readonly #mayHaveBeenSent: (seq: number) => boolean
  #mqtt: Mqtt | undefined
  #state: 'stopped' | 'connecting' | 'connected' | 'waiting' = 'stopped'
  #connection: Connection | undefined
  #feed: Feed | undefined
  #questions: Questions | undefined
  #session: Buffer | undefined
  #lastReason = ''
  #retryTimer: NodeJS.Timeout | undefined
  #provenTimer: NodeJS.Timeout | undefined
  #statusTimer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined
  #unflushed = 0
  #pumpIsDue = false
  #onDrained: (() => void) | undefined
  #onStopped: (() => void) | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#secureContext = createSecureContext({ ...options.tls, minVersion: 'TLSv1.2' })
    this.#backoff = new Backoff(options.identity, options.random, options.reconnectDelayMs)
    this.#statuses = options.status && new StatusReporter(options.status)
    this.#mayHaveBeenSent = leftInFlight(options.spool)
  }

  get isConnected(): boolean {
    return this.#state === 'connected'
  }

  async start(): Promise<void> {
    this.#mqtt = await import('mqtt')
    this.#wait(this.#backoff.startMs())
  }

  /** A sample was appended to the spool. */
  wake(): void {
    if (this.#pumpIsDue || this.#state !== 'connected') return
    this.#pumpIsDue = true
    // The acknowledgements of one read, and the appends of one tick, become one write.
    setImmediate(() => this.#pump())
  }

  /**
   * Samples were put in line before those that were already sent: a new connection reads the spool from its beginning.
   */
  rewind(): void {
    if (this.#state === 'connected') this.#connection?.fail('sends from the beginning')
  }

  /** Gives spooled samples at most `drainMs` to leave, and then disconnects. The spool stays open. */
  async stop(drainMs: number): Promise<void> {
    if (this.#state === 'connected') await this.#drain(drainMs)
    clearTimeout(this.#retryTimer)
    const connection = this.#connection
    const stopped = new Promise<void>(resolve => {
      this.#onStopped = resolve
    })
    this.#state = 'stopped'
    if (connection !== undefined) {
      const patience = setTimeout(() => connection.fail('stopped'), drainMs)
      connection.end()
      await stopped
      clearTimeout(patience)
    }
    this.#flush()
  }

  #connect(): void {
    const { broker, identity, acceptsEarly, ackTimeoutMs } = this.#options
    this.#state = 'connecting'
    this.#connection = new Connection({
      mqtt: this.#mqtt!,
      broker,
      identity,
      secureContext: this.#secureContext,
      session: this.#session,
      acceptsEarly: acceptsEarly?.(),
      ...(ackTimeoutMs === undefined ? {} : { ackTimeoutMs }),
      onSession: session => {
        this.#session = session
      },
      onConnected: () => this.#connected(),
      onDelivered: parcel => this.#delivered(parcel),
      onMessage: (topic, payload, retained) => this.#questions?.hear(topic, payload, retained),
      onRoom: () => this.wake(),
      onOver: (reason, unacknowledged) => this.#over(reason, unacknowledged)
    })
  }

  #connected(): void {
    if (this.#state !== 'connecting') return
    const { broker, spool, mayPublish, seedsWanted, provenAfterMs = connectionProvenMs, log } = this.#options
    this.#state = 'connected'
    this.#lastReason = ''
    this.#provenTimer = setTimeout(() => this.#backoff.proven(), provenAfterMs).unref()
    log.info({ event: 'connected', broker: `${broker.host}:${broker.port}` }, 'connected')
    this.#feed = new Feed({
      spool,
      mayHaveBeenSent: this.#mayHaveBeenSent,
      nextStatus: () => this.#statuses?.next()
    })
    const undecided = new Set(seedsWanted?.().filter(mayPublish))
    this.#ask(undecided)
    this.#feedAll(charger => mayPublish(charger) && !undecided.has(charger))
    this.#startStatuses()
    this.#pump()
  }

  #ask(undecided: ReadonlySet<string>): void {
    const { identity, ownCharger = identity, onServerTime, onRetained, askLimitsMs, log } = this.#options
    this.#questions = new Questions(this.#connection!, {
      ownCharger,
      wanted: [...undecided],
      onServerTime,
      onRetained: (charger, retained) => onRetained?.(charger, retained),
      onDecided: () => {
        this.#feedAll(charger => undecided.has(charger))
        this.wake()
      },
      log,
      limits: askLimitsMs
    })
    void this.#questions.ask()
  }

  #feedAll(owns: (charger: string) => boolean): void {
    this.#feed?.add(this.#options.currentState(), owns)
  }

  #startStatuses(): void {
    const statuses = this.#statuses
    if (statuses === undefined) return
    statuses.connected()
    const look = () => {
      if (statuses.look()) this.wake()
    }
    this.#statusTimer = setInterval(() => this.#tryDisk(look), statusLookIntervalMs).unref()
  }

  #pump(): void {
    this.#pumpIsDue = false
    const connection = this.#connection
    if (this.#state !== 'connected' || connection === undefined) return
    try {
      const parcels = this.#nextParcels(connection.room)
      if (parcels.length > 0) connection.send(parcels)
      else if (connection.isIdle) this.#onDrained?.()
    } catch (error) {
      // The disk failed: the samples are still on it, or lost with it. This connection has nothing to send.
      this.#options.log.error({ event: 'spool_failed', err: error }, 'the spool cannot be read')
      connection.fail('spool_failed')
    }
  }

  #nextParcels(room: number): Parcel[] {
    const parcels: Parcel[] = []
    for (let left = room; left > 0; ) {
      const parcel = this.#feed?.next(left)
      if (parcel === undefined) break
      parcels.push(parcel)
      left -= parcel.messages.length
    }
    return parcels
  }

  #delivered({ seq }: Parcel): void {
    if (seq === undefined) return
    this.#options.spool.settle(seq)
    this.#unflushed++
    if (this.#unflushed >= settleCountMax) this.#flush()
    // While samples keep coming, the next append writes the settlements, and the timer finds none.
    else this.#settleTimer ??= setTimeout(() => this.#flush(), settleDelayMsMax).unref()
  }

  #flush(): void {
    clearTimeout(this.#settleTimer)
    this.#settleTimer = undefined
    this.#unflushed = 0
    this.#tryDisk(() => this.#options.spool.flush())
  }

  #over(reason: string, unacknowledged: readonly Parcel[]): void {
    clearTimeout(this.#provenTimer)
    clearInterval(this.#statusTimer)
    this.#questions?.close()
    this.#connection = undefined
    this.#questions = undefined
    this.#feed = undefined
    const seqs = unacknowledged.flatMap(({ seq }) => (seq === undefined ? [] : [seq]))
    this.#tryDisk(() => this.#options.spool.giveBack(seqs))
    if (this.#state === 'stopped') {
      this.#options.log.info({ event: 'disconnected', reason }, 'disconnected')
      this.#onStopped?.()
      return
    }
    this.#waitAndConnect(reason, this.#state === 'connected')
  }

  #waitAndConnect(reason: string, wasConnected: boolean): void {
    const { log } = this.#options
    const ending: Ending = wasConnected ? 'lost' : isDenied(reason) ? 'denied' : 'failed'
    const delayMs = this.#backoff.nextMs(ending)
    this.#wait(delayMs)
    this.#onDrained?.()
    const facts = { reason, retryInMs: delayMs }
    if (wasConnected) log.warn({ event: 'disconnected', ...facts }, 'disconnected')
    else if (reason !== this.#lastReason) {
      log.warn({ event: 'connect_failed', ...facts, whatToDo: whatToDo(reason) }, 'cannot connect, trying again')
    }
    this.#lastReason = reason
  }

  #wait(ms: number): void {
    this.#state = 'waiting'
    this.#retryTimer = setTimeout(() => this.#connect(), ms)
  }

  async #drain(drainMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, drainMs)
      this.#onDrained = () => {
        clearTimeout(timer)
        resolve()
      }
      this.wake()
    })
  }

  /** A settlement or mark that is not written costs a duplicate at the server; a status is sent again. */
  #tryDisk(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#options.log.error({ event: 'spool_failed', err: error }, 'the spool cannot be used')
    }
  }
}

/**
 * Which samples a killed process may have sent: it leaves no mark on disk. The server looks for every marked sample
 * before it stores it, so only likely marks are set: for the oldest samples that could be in flight, or acknowledged
 * and not yet settled on disk, and for as many of the newest. Sending a sample again without a mark costs the server
 * more, and nothing else.
 */
function leftInFlight(spool: Pick<Spool, 'page' | 'newestSeq'>): (seq: number) => boolean {
  const { newestSeq } = spool
  const samples = publishWindowMax + settleCountMax
  const oldestThrough = spool.page(0, newestSeq, samples).at(-1)?.seq ?? 0
  return seq => seq <= newestSeq && (seq <= oldestThrough || seq > newestSeq - samples)
}
