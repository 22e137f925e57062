// Takes samples from the spool to the server, and their acknowledgements back: nothing else settles a sample.
// Promises: at most one connection, at most 512 messages without acknowledgement, each charger's samples in sampling order,
// and after every connect the current state first. Waits between connections, longer each time, never in step with others.
// Never loses and never keeps a sample: it reads the spool when there is room, and gives back what a connection leaves.

import { createSecureContext, type SecureContext } from 'node:tls'
import type { Logger } from 'pino'
import { reconnectDelayMsMax, reconnectDelayMsMin, settleCountMax, settleDelayMsMax } from '../model/limits.ts'
import { Connection, type Mqtt } from './connection.ts'
import { type ChargerNow, Feed, type Parcel } from './feed.ts'
import type { Spool } from './spool.ts'

export interface PublisherOptions {
  readonly broker: { readonly host: string; readonly port: number }
  /** CN of the certificate, and MQTT client id. */
  readonly identity: string
  /** PEM. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly spool: Pick<Spool, 'page' | 'newestSeq' | 'settle' | 'giveBack' | 'flush'>
  /** What every charger is like now, as far as it is spooled. */
  readonly currentState: () => readonly ChargerNow[]
  readonly mayPublish: (charger: string) => boolean
  readonly log: Logger
  /** For tests: 0 to 1, and limits in ms. */
  readonly random?: () => number
  readonly ackTimeoutMs?: number
  readonly reconnectDelayMs?: { readonly min: number; readonly max: number }
}

/** A connection that lives this long was a good one, even when nothing had to be acknowledged, in ms. */
const provenAfterMs = 60_000

/*
 * The publisher is in one of four states.
 *
 * stopped     Before start and after stop. Nothing happens.
 * connecting  A connection object exists, CONNACK has not come. -> connected on CONNACK 0; -> waiting on anything else.
 * connected   The feed is pumped into the window whenever something is appended or acknowledged.
 *             -> waiting when the connection is over, for whatever reason: its window goes back to the spool.
 * waiting     A timer runs: full jitter between 0 and a bound that doubles from 1 s to 2 min with every connection that was
 *             not proven good (by its first PUBACK, or a minute of life): a server that accepts and then refuses, with a
 *             CONNACK code or later, is not hammered either. -> connecting.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #secureContext: SecureContext
  #mqtt: Mqtt | undefined
  #state: 'stopped' | 'connecting' | 'connected' | 'waiting' = 'stopped'
  #connection: Connection | undefined
  #feed: Feed | undefined
  #session: Buffer | undefined
  /** Connections in a row that were not proven good. */
  #failures = 0
  #lastReason = ''
  #retryTimer: NodeJS.Timeout | undefined
  #provenTimer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined
  #unflushed = 0
  #pumpIsDue = false
  #onDrained: (() => void) | undefined
  #onStopped: (() => void) | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#secureContext = createSecureContext({ ...options.tls, minVersion: 'TLSv1.2' })
  }

  async start(): Promise<void> {
    this.#mqtt = await import('mqtt')
    this.#connect()
  }

  /** Something was appended to the spool. */
  wake(): void {
    if (this.#pumpIsDue || this.#state !== 'connected') return
    this.#pumpIsDue = true
    // Acknowledgements of one read, and appends of one tick, become one pump and one write.
    setImmediate(() => this.#pump())
  }

  /** Lets what is spooled leave for at most `drainMs`, then says goodbye. The spool stays open. */
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
    const { broker, identity, ackTimeoutMs } = this.#options
    this.#state = 'connecting'
    this.#connection = new Connection({
      mqtt: this.#mqtt!,
      broker,
      identity,
      secureContext: this.#secureContext,
      session: this.#session,
      ...(ackTimeoutMs === undefined ? {} : { ackTimeoutMs }),
      onSession: session => {
        this.#session = session
      },
      onConnected: () => this.#connected(),
      onDelivered: parcel => this.#delivered(parcel),
      onRoom: () => this.wake(),
      onOver: (reason, unacknowledged) => this.#over(reason, unacknowledged)
    })
  }

  #connected(): void {
    if (this.#state !== 'connecting') return
    const { broker, spool, currentState, mayPublish, log } = this.#options
    this.#state = 'connected'
    this.#lastReason = ''
    this.#provenTimer = setTimeout(() => this.#proven(), provenAfterMs).unref()
    log.info({ event: 'connected', broker: `${broker.host}:${broker.port}` }, 'connected')
    this.#feed = new Feed(spool, currentState(), mayPublish)
    this.#pump()
  }

  #pump(): void {
    this.#pumpIsDue = false
    const connection = this.#connection
    if (this.#state !== 'connected' || connection === undefined) return
    try {
      const parcels = this.#takeParcels(connection.room)
      if (parcels.length > 0) connection.send(parcels)
      else if (connection.isIdle) this.#onDrained?.()
    } catch (error) {
      // The disk failed: the samples are still on it, or lost with it. Either way this connection has nothing to send.
      this.#options.log.error({ event: 'spool_failed', err: error }, 'the spool cannot be read')
      connection.fail('spool_failed')
    }
  }

  #takeParcels(room: number): Parcel[] {
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
    this.#proven()
    if (seq === undefined) return
    this.#options.spool.settle(seq)
    this.#unflushed++
    if (this.#unflushed >= settleCountMax) this.#flush()
    // Where samples keep coming, the next append carries the settlements to disk and the timer finds nothing.
    else this.#settleTimer ??= setTimeout(() => this.#flush(), settleDelayMsMax).unref()
  }

  #proven(): void {
    this.#failures = 0
    clearTimeout(this.#provenTimer)
  }

  #flush(): void {
    clearTimeout(this.#settleTimer)
    this.#settleTimer = undefined
    this.#unflushed = 0
    this.#tryDisk(() => this.#options.spool.flush())
  }

  #over(reason: string, unacknowledged: readonly Parcel[]): void {
    clearTimeout(this.#provenTimer)
    this.#connection = undefined
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
    const { random = Math.random, reconnectDelayMs, log } = this.#options
    const delayMs = Math.round(random() * reconnectBoundMs(this.#failures, reconnectDelayMs))
    this.#failures++
    this.#state = 'waiting'
    this.#retryTimer = setTimeout(() => this.#connect(), delayMs)
    this.#onDrained?.()
    if (wasConnected) log.warn({ event: 'disconnected', reason, retryInMs: delayMs }, 'disconnected')
    else if (reason !== this.#lastReason) {
      log.warn({ event: 'connect_failed', reason, retryInMs: delayMs }, 'cannot connect, trying again')
    }
    this.#lastReason = reason
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

  /** A settlement or a mark that does not reach the disk costs a duplicate at the server, and duplicates are free. */
  #tryDisk(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#options.log.error({ event: 'spool_failed', err: error }, 'the spool cannot be written')
    }
  }
}

/** The longest pause after this many failures, in ms. */
export const reconnectBoundMs = (
  failures: number,
  { min, max } = { min: reconnectDelayMsMin, max: reconnectDelayMsMax }
): number => Math.min(max, min * 2 ** Math.min(failures, 30))
