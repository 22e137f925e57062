// Presence: which chargers are online, by the connections of the edges whose certificates name them. Knows no database.
// Promises: an edge that is back within the grace was never offline; the end of a connection does not end a newer one;
// the stamps of a charger rise. A charger is online while any identity that names it is connected.
//
// A link is what an identity has with a charger: `connected`, then `closing` for the grace, then gone (offline). Every
// connection moves the retained state and the stored row; subscribers are told only when the state changes.

import type { Identity } from '../model/server/admission.ts'
import { encodeEnvelope } from '../model/wire/envelope.ts'

export type PresenceState = 'online' | 'offline'

/** The newest connection of an identity for one of its chargers: a row of `edge_connections`. */
export interface EdgeConnection {
  readonly identity: string
  readonly clientId: string
  readonly charger: string
  readonly state: PresenceState
  /** When the connection began, or when it was closed; microseconds since the Unix epoch. */
  readonly sinceUs: number
  readonly address: string
  readonly node: string
}

export interface PresenceClock {
  /** Wall clock, ms. */
  readonly nowMs: () => number
  /** Never steps, ms. */
  readonly monotonicMs: () => number
}

export interface PresenceOptions {
  /** This server's name among all that write the rows. */
  readonly node: string
  readonly graceMs: number
  readonly clock?: PresenceClock
  /** The state of a charger to be retained; `isNews` when subscribers are to be told. `timeUs` rises. */
  readonly report: (charger: string, timeUs: number, payload: string, isNews: boolean) => void
  /** Keeps a row; must not block. */
  readonly store: (connection: EdgeConnection) => void
  /** Which of these chargers other nodes have online. Rejects when that cannot be known now: it is asked again. */
  readonly onlineElsewhere: (chargers: readonly string[]) => Promise<ReadonlySet<string>>
}

interface Link {
  readonly identity: string
  readonly charger: string
  address: string
  /** Undefined while closing. */
  connection: object | undefined
  /** When the connection began, or was closed. */
  sinceUs: number
  /** On the monotonic clock: when a closing link is offline. */
  dueMs: number
}

interface Presented {
  state: PresenceState
  /** False when another node may have told subscribers another state since. */
  isKnown: boolean
  /** The newest stamp that was reported. */
  lastUs: number
  readonly links: Set<Link>
}

const systemClock: PresenceClock = { nowMs: Date.now, monotonicMs: () => performance.now() }
const askAgainMs = 2_000
/** Links that are taken offline in one go. */
const sweepLinksMax = 1_000
const millisecondUs = 1_000

export class Presence {
  readonly #options: PresenceOptions
  readonly #clock: PresenceClock
  readonly #chargers = new Map<string, Presented>()
  /** By identity, then charger. */
  readonly #links = new Map<string, Map<string, Link>>()
  /** In the order of `dueMs`. */
  readonly #closing = new Set<Link>()
  #timer: NodeJS.Timeout | undefined
  #isSweeping = false
  #isStopped = false

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /**
   * Takes over the rows of the last run, before anybody connects. The chargers that this node had online are closing
   * from now on: an edge that is not back within the grace went offline at this moment.
   */
  load(rows: readonly EdgeConnection[]): void {
    for (const row of rows) {
      const presented = this.#presentedOf(row.charger)
      if (row.state === 'online') presented.state = 'online'
      if (row.node !== this.#options.node) presented.isKnown = false
      presented.lastUs = Math.max(presented.lastUs, row.sinceUs)
    }
    for (const charger of new Set(rows.map(row => row.charger))) {
      const { lastUs, state } = this.#chargers.get(charger)!
      this.#options.report(charger, lastUs, encodeEnvelope({ timeUs: lastUs, value: state }), false)
    }
    for (const row of rows) {
      if (row.node !== this.#options.node || row.state !== 'online') continue
      const link = this.#linkOf(row)
      link.sinceUs = row.sinceUs
      this.#startClosing(link)
    }
  }

  /** A client whose id is its identity's name is connected. `connection` identifies it, and replaces an earlier one. */
  connect(connection: object, { name: identity, chargers = [] }: Identity, address: string): void {
    const named = new Set(chargers)
    for (const link of this.#links.get(identity)?.values() ?? []) {
      // The certificate may be a new one, and name others.
      if (link.connection !== undefined && !named.has(link.charger)) this.#startClosing(link)
    }
    for (const charger of named) {
      const link = this.#linkOf({ identity, charger, address })
      this.#closing.delete(link)
      link.connection = connection
      link.address = address
      link.sinceUs = this.#report(charger, 'online', this.#nowUs())
      this.#store(link, 'online')
    }
  }

  /** The end of a connection that was replaced changes nothing. */
  close(connection: object, { name }: Identity): void {
    if (this.#isStopped) return
    for (const link of this.#links.get(name)?.values() ?? []) {
      if (link.connection === connection) this.#startClosing(link)
    }
  }

  /** A subscriber asks for the charger: if it was never connected it is offline, and that is not news. */
  introduce(charger: string): void {
    if (this.#chargers.has(charger)) return
    const presented = this.#presentedOf(charger)
    presented.lastUs = this.#nowUs()
    this.#options.report(
      charger,
      presented.lastUs,
      encodeEnvelope({ timeUs: presented.lastUs, value: 'offline' }),
      false
    )
  }

  /** The server where the charger was connected is gone. */
  goneElsewhere(charger: string, atUs: number): void {
    if (!this.#isHere(charger)) this.#report(charger, 'offline', atUs)
  }

  /** Other servers took this one for gone: reports again which chargers are connected here. */
  tellAgain(): void {
    for (const links of this.#links.values()) {
      for (const link of links.values()) {
        if (link.connection === undefined) continue
        link.sinceUs = this.#report(link.charger, 'online', this.#nowUs())
        this.#store(link, 'online')
      }
    }
  }

  #isHere(charger: string): boolean {
    return [...this.#presentedOf(charger).links].some(({ connection }) => connection !== undefined)
  }

  /**
   * Another server presented the charger. If it is connected here, the other server is wrong: `online` is reported
   * again.
   */
  hear(charger: string, timeUs: number, payload: string): void {
    const presented = this.#presentedOf(charger)
    presented.lastUs = Math.max(presented.lastUs, timeUs)
    const state = (JSON.parse(payload) as { Value: PresenceState }).Value
    if (this.#isHere(charger) && state === 'offline') this.#report(charger, 'online', this.#nowUs())
    else {
      presented.state = state
      presented.isKnown = true
    }
  }

  /** The charger's state, stamped with the time of this moment: an edge sets its clock by it. */
  fresh(charger: string): string {
    const presented = this.#presentedOf(charger)
    const timeUs = this.#nowUs()
    // A later stamp must not be older.
    presented.lastUs = Math.max(presented.lastUs, timeUs)
    return encodeEnvelope({ timeUs, value: presented.state })
  }

  /** The server stops, and with it all connections. The rows stay: the next start takes them over. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #startClosing(link: Link): void {
    link.connection = undefined
    link.sinceUs = Math.max(this.#nowUs(), link.sinceUs)
    link.dueMs = this.#clock.monotonicMs() + this.#options.graceMs
    this.#closing.add(link)
    this.#schedule(this.#options.graceMs)
  }

  #schedule(ms: number): void {
    if (this.#isStopped || this.#isSweeping) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#isSweeping = true
      this.#sweep().then(nextMs => {
        this.#isSweeping = false
        if (nextMs !== undefined) this.#schedule(nextMs)
      })
    }, ms)
  }

  /** Takes links offline that are due. Returns in how many ms to look again. */
  async #sweep(): Promise<number | undefined> {
    const nowMs = this.#clock.monotonicMs()
    const due: Link[] = []
    for (const link of this.#closing) {
      if (link.dueMs > nowMs || due.length === sweepLinksMax) break
      due.push(link)
    }
    if (due.length > 0) {
      const elsewhere = await this.#onlineElsewhere(due)
      if (elsewhere === undefined) return askAgainMs
      // Meanwhile an edge may have come back, or come and gone.
      for (const link of due) {
        if (this.#closing.has(link) && link.dueMs <= nowMs && !this.#isStopped) this.#goOffline(link, elsewhere)
      }
    }
    const [next] = this.#closing
    return next && Math.max(0, next.dueMs - this.#clock.monotonicMs())
  }

  async #onlineElsewhere(due: readonly Link[]): Promise<ReadonlySet<string> | undefined> {
    try {
      return await this.#options.onlineElsewhere([...new Set(due.map(({ charger }) => charger))])
    } catch {
      return undefined
    }
  }

  #goOffline(link: Link, elsewhere: ReadonlySet<string>): void {
    const { identity, charger } = link
    this.#closing.delete(link)
    const links = this.#links.get(identity)!
    links.delete(charger)
    if (links.size === 0) this.#links.delete(identity)
    const presented = this.#chargers.get(charger)!
    presented.links.delete(link)
    if (presented.links.size === 0) {
      if (elsewhere.has(charger)) presented.isKnown = false
      else link.sinceUs = this.#report(charger, 'offline', link.sinceUs)
    }
    this.#store(link, 'offline')
  }

  /** Returns the stamp: `atUs`, or a later one if a later one was reported already. */
  #report(charger: string, state: PresenceState, atUs: number): number {
    const presented = this.#presentedOf(charger)
    const isNews = presented.state !== state || !presented.isKnown
    const timeUs = Math.max(atUs, presented.lastUs + millisecondUs)
    presented.state = state
    presented.isKnown = true
    presented.lastUs = timeUs
    this.#options.report(charger, timeUs, encodeEnvelope({ timeUs, value: state }), isNews)
    return timeUs
  }

  #store({ identity, charger, sinceUs, address }: Link, state: PresenceState): void {
    const { node } = this.#options
    this.#options.store({ identity, clientId: identity, charger, state, sinceUs, address, node })
  }

  #presentedOf(charger: string): Presented {
    let presented = this.#chargers.get(charger)
    if (presented === undefined) {
      presented = { state: 'offline', isKnown: true, lastUs: 0, links: new Set() }
      this.#chargers.set(charger, presented)
    }
    return presented
  }

  #linkOf({ identity, charger, address }: Pick<Link, 'identity' | 'charger' | 'address'>): Link {
    const links = this.#links.get(identity) ?? new Map<string, Link>()
    this.#links.set(identity, links)
    let link = links.get(charger)
    if (link === undefined) {
      link = { identity, charger, address, connection: undefined, sinceUs: 0, dueMs: 0 }
      links.set(charger, link)
      this.#presentedOf(charger).links.add(link)
    }
    return link
  }

  #nowUs(): number {
    return this.#clock.nowMs() * millisecondUs
  }
}
