// The link to Redis that all parts of a server share: one connection for commands, one for the messages of other
// servers. Promises that no part waits: a command is answered, or fails within 2 s. After a command without an answer,
// and while Redis is away, all commands fail at once. The link reconnects by itself, and calls `back` then.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { atMost } from '../../model/atMost.ts'
import { redisAnswerMs } from './limits.ts'
import { parseRedisUrl, type RedisPlace } from './redisUrl.ts'

export type Connection = Redis | Cluster

/** The kinds of messages on the one channel that all servers hear. */
export type BusKind = 'emit' | 'shadow' | 'session' | 'alive' | 'bye'

export interface RedisLinkOptions {
  readonly url: string
  /** This server's name among all. */
  readonly node: string
  /** Called once, until Redis is back. */
  readonly away: (error: Error) => void
  readonly restored: () => void
}

type Hear = (body: Buffer, node: string) => void
/** `hasForgotten`: Redis was started empty, and holds nothing of before. */
type Back = (hasForgotten: boolean) => Promise<void>

const lookMs = 500
const reconnectMaxMs = 1_000
export const busChannel = 'chargelift:bus'
const epochKey = 'chargelift:epoch'
const kinds: Record<BusKind, string> = { emit: 'm', shadow: 's', session: 'c', alive: 'a', bye: 'b' }

export class RedisLink {
  /** Names this run of this server: it skips its own messages. */
  readonly run = randomBytes(6).toString('hex')
  readonly isCluster: boolean
  readonly #options: RedisLinkOptions
  readonly #commands: Connection
  readonly #hearing: Connection
  readonly #hears = new Map<string, Hear[]>()
  readonly #backs: Back[] = []
  readonly #timer: NodeJS.Timeout
  #isSubscribed = false
  /** Redis answered at the last look, and to every command since. */
  #answers = false
  #isLooking = false
  #isReported = false
  #epoch: string | undefined
  /** Until everything that Redis has forgotten is written again. */
  #hasForgotten = false
  #isClosed = false

  private constructor(options: RedisLinkOptions) {
    this.#options = options
    const place = parseRedisUrl(options.url)
    this.isCluster = place.kind === 'cluster'
    this.#commands = this.#connect(place)
    this.#hearing = this.#connect(place)
    this.#hearing.on('ready', () => void this.#subscribe())
    this.#hearing.on('close', () => {
      this.#isSubscribed = false
      this.#answers = false
    })
    this.#commands.on('close', () => {
      this.#answers = false
    })
    this.#hearing.on('messageBuffer', (_channel: Buffer, message: Buffer) => this.#hear(message))
    this.#timer = setInterval(() => void this.#look(), lookMs)
  }

  /** Waits a moment for Redis. Without Redis, everything works that does not need it. */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options)
    for (const endMs = performance.now() + redisAnswerMs; performance.now() < endMs; await sleep(20)) {
      await link.#look()
      if (link.isReachable) return link
    }
    link.#reportAway(new Error('no answer at the start'))
    return link
  }

  get isReachable(): boolean {
    return this.#answers && this.#isSubscribed && !this.#isClosed
  }

  /** Rejects when there is no answer in time; at once while Redis is away. */
  async ask<T>(work: (redis: Connection) => Promise<T>): Promise<T> {
    if (!this.isReachable) throw new Error('Redis is away')
    try {
      return await work(this.#commands)
    } catch (error) {
      if (isNoAnswer(error as Error)) this.#lost(error as Error)
      throw error
    }
  }

  /** To all other servers. Those that are not connected to Redis now never hear it. */
  tell(kind: BusKind, body: Buffer | string): void {
    this.ask(redis => redis.publish(busChannel, Buffer.concat([Buffer.from(this.headOf(kind)), asBuffer(body)]))).catch(
      () => {}
    )
  }

  /** The head of a message on the bus: of fixed length but for the node's name, which ends with a line feed. */
  headOf(kind: BusKind): string {
    return `${kinds[kind]}${this.run}${this.#options.node}\n`
  }

  on(kind: BusKind, hear: Hear): void {
    this.#hears.set(kinds[kind], [...(this.#hears.get(kinds[kind]) ?? []), hear])
  }

  /**
   * All `back` are called in turn whenever Redis is there, or there again. When one fails, all are called again later.
   */
  onBack(back: Back): void {
    this.#backs.push(back)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    if (this.isReachable) {
      const said = this.ask(redis => redis.publish(busChannel, this.headOf('bye') + this.run))
      await atMost(
        redisAnswerMs,
        said.catch(() => {})
      )
    }
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#commands.disconnect()
    this.#hearing.disconnect()
  }

  // --- is it there?

  async #look(): Promise<void> {
    if (this.#isLooking || this.#isClosed) return
    this.#isLooking = true
    try {
      if (this.#commands.status !== 'ready' || !this.#isSubscribed) return
      const epoch = await this.#askEpoch()
      if (this.isReachable && epoch === this.#epoch) return
      this.#hasForgotten ||= this.#epoch !== undefined && epoch !== this.#epoch
      this.#epoch = epoch
      this.#answers = true
      for (const back of this.#backs) await back(this.#hasForgotten)
      this.#hasForgotten = false
      if (this.#isReported) this.#options.restored()
      this.#isReported = false
    } catch (error) {
      this.#lost(error as Error)
    } finally {
      this.#isLooking = false
    }
  }

  /** A random word that Redis loses only together with everything else. */
  async #askEpoch(): Promise<string> {
    await this.#commands.set(epochKey, randomBytes(8).toString('hex'), 'NX')
    return (await this.#commands.get(epochKey)) ?? ''
  }

  #lost(error: Error): void {
    this.#answers = false
    this.#reportAway(error)
  }

  #reportAway(error: Error): void {
    if (this.#isReported || this.#isClosed) return
    this.#isReported = true
    this.#options.away(new Error(`Redis is away: ${error.message}`, { cause: error }))
  }

  // --- connections

  #connect({ kind, addresses, master, db, tls, username, password, ...sentinel }: RedisPlace): Connection {
    const retry = (attempt: number): number => Math.min(attempt * 50, reconnectMaxMs)
    const common = {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls && { tls: { ...tls } }),
      connectTimeout: redisAnswerMs,
      commandTimeout: redisAnswerMs,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false
    }
    const connection =
      kind === 'cluster'
        ? new Cluster([...addresses], {
            redisOptions: common,
            enableOfflineQueue: false,
            clusterRetryStrategy: retry,
            // Certificates name hosts: the addresses that the cluster gives are taken as they are.
            dnsLookup: (address, done) => done(null, address)
          })
        : kind === 'sentinel'
          ? new Redis({
              ...common,
              ...sentinel,
              sentinels: [...addresses],
              name: master!,
              db,
              retryStrategy: retry,
              sentinelRetryStrategy: retry,
              ...(tls && { sentinelTLS: { ...tls }, enableTLSForSentinelMode: true })
            })
          : new Redis({ ...common, ...addresses[0]!, db, retryStrategy: retry })
    // Without a listener, an 'error' ends the process.
    connection.on('error', (error: Error) => this.#lost(error))
    return connection
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#hearing.subscribe(busChannel)
      this.#isSubscribed = true
      await this.#look()
    } catch (error) {
      this.#lost(error as Error)
    }
  }

  #hear(message: Buffer): void {
    if (message.toString('latin1', 1, 1 + this.run.length) === this.run) return
    const lineEnd = message.indexOf(0x0a)
    const node = message.toString('utf8', 1 + this.run.length, lineEnd)
    const body = message.subarray(lineEnd + 1)
    for (const hear of this.#hears.get(String.fromCharCode(message[0]!)) ?? []) hear(body, node)
  }
}

/** There was no answer, or one that says that Redis cannot work now. */
const isNoAnswer = ({ name, message }: Error): boolean =>
  name !== 'ReplyError' || /^(LOADING|CLUSTERDOWN|MASTERDOWN|READONLY|NOAUTH|WRONGPASS)/.test(message)

const asBuffer = (body: Buffer | string): Buffer => (typeof body === 'string' ? Buffer.from(body) : body)
