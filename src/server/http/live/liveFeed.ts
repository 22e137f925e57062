// Sends what is new to the listeners of the HTTP API: the newest committed value of each topic, presence and
// EdgeStatus. They are gathered for a moment and made into text once for all listeners (twice where a card id is in
// it). Without listeners it costs nothing. A listener that comes back, or reads slowly, goes on from the journal; one
// that is slow for too long is cut. What other processes committed arrives by `note` as well.

import type { ShadowEntry } from '../../../broker/shadow.ts'
import type { IngestFigures } from '../../../model/api/api.ts'
import { liveBehindMsMax } from '../limits.ts'
import { liveFlushMs, liveLingerMs, livePieceTopics, livePingMs, liveTopicsMax } from './limits.ts'
import { eventText, type LiveEntry, LiveJournal, liveKinds } from './liveJournal.ts'

export interface LiveFeedOptions {
  /** Sent once a second. Undefined while there are none. */
  readonly figures?: () => IngestFigures | undefined
}

export interface ListenOptions {
  readonly mayReadCards: boolean
  /** Undefined: all chargers. */
  readonly charger: string | undefined
  /** The last event that the listener received. */
  readonly lastEventId: string | undefined
  /**
   * Takes over the bytes, which are shared. False: the listener has enough for now, and calls `drained` when it takes
   * more.
   */
  readonly send: (bytes: Uint8Array) => boolean
  /** The listener was slow for too long, or the server ends. Not called after `close`. */
  readonly end: () => void
}

interface Listener extends ListenOptions {
  mayReadCards: boolean
  /** The listener has everything up to this event. */
  sent: number
  /** Since when the listener has not taken everything, on the monotonic clock. Undefined when it has. */
  behindMs: number | undefined
}

export interface Listening {
  drained(): void
  mayReadCards(may: boolean): void
  close(): void
}

/** The entry moves forward meanwhile. */
type Fresh = Pick<ShadowEntry, 'payload'>

const figuresIntervalMs = 1_000
const reconnectMs = 2_000
const encoder = new TextEncoder()

export class LiveFeed {
  readonly #options: LiveFeedOptions
  readonly #listeners = new Set<Listener>()
  /** The topics that moved since the last flush. */
  readonly #fresh = new Map<string, Fresh>()
  /** Defined while there are listeners, and for a while after. */
  #journal: LiveJournal | undefined
  #timers: NodeJS.Timeout[] = []
  #linger: NodeJS.Timeout | undefined

  constructor(options: LiveFeedOptions = {}) {
    this.#options = options
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** A topic of the shadow moved forward. The payload is canonical. */
  note(topic: string, entry: Fresh): void {
    if (this.#journal !== undefined) this.#fresh.set(topic, entry)
  }

  listen(options: ListenOptions): Listening {
    const journal = this.#record()
    const known = options.lastEventId === undefined ? undefined : journal.numberOf(options.lastEventId)
    const listener: Listener = { ...options, sent: known ?? journal.number, behindMs: undefined }
    this.#listeners.add(listener)
    const isLost = options.lastEventId !== undefined && known === undefined
    const first = isLost ? resetText(journal) : `id: ${journal.idOf(listener.sent)}\n\n`
    this.#send(listener, encoder.encode(`retry: ${reconnectMs}\n${first}`))
    this.#catchUp(listener)
    return {
      drained: () => {
        listener.behindMs = undefined
        this.#catchUp(listener)
      },
      mayReadCards: may => {
        listener.mayReadCards = may
      },
      close: () => this.#remove(listener)
    }
  }

  /** Ends all listeners. */
  close(): void {
    for (const listener of [...this.#listeners]) this.#cut(listener)
    this.#forget()
  }

  /** Sends what is fresh. Called by the timer. */
  flush(): void {
    const journal = this.#journal
    if (journal === undefined) return
    const payloads = Array.from(this.#fresh, ([topic, { payload }]) => [topic, payload] as const)
    for (const entries of journal.add(payloads)) this.#tell(journal, entries)
    this.#fresh.clear()
    const nowMs = performance.now()
    for (const listener of [...this.#listeners]) {
      if (listener.behindMs !== undefined && nowMs - listener.behindMs > liveBehindMsMax) this.#cut(listener)
    }
  }

  #record(): LiveJournal {
    clearTimeout(this.#linger)
    if (this.#journal !== undefined) return this.#journal
    this.#timers = [
      setInterval(() => this.flush(), liveFlushMs),
      setInterval(() => this.#sendToAll(': ping\n\n'), livePingMs),
      setInterval(() => this.#tellFigures(), figuresIntervalMs)
    ]
    for (const timer of this.#timers) timer.unref()
    this.#journal = new LiveJournal(liveTopicsMax)
    return this.#journal
  }

  #forget(): void {
    clearTimeout(this.#linger)
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    this.#journal = undefined
    this.#fresh.clear()
  }

  /** One event. Its text is made once for all listeners that get all of it. */
  #tell(journal: LiveJournal, entries: readonly LiveEntry[]): void {
    const { number } = entries[0]!
    const id = journal.idOf(number)
    const texts = new Map<boolean, Uint8Array>()
    const byCharger = new Map<string, LiveEntry[]>()
    const textFor = ({ charger, mayReadCards }: Listener): Uint8Array | undefined => {
      if (charger === undefined) return once(texts, mayReadCards, () => bytesOf(entries, id, mayReadCards))
      if (byCharger.size === 0) for (const entry of entries) once(byCharger, entry.charger, () => []).push(entry)
      const own = byCharger.get(charger)
      return own && bytesOf(own, id, mayReadCards)
    }
    for (const listener of this.#listeners) {
      if (listener.behindMs !== undefined) continue
      listener.sent = number
      const bytes = textFor(listener)
      if (bytes !== undefined) this.#send(listener, bytes)
    }
  }

  /** Sends what the listener has not received, as long as it takes more. */
  #catchUp(listener: Listener): void {
    const journal = this.#journal
    if (journal === undefined || !this.#listeners.has(listener)) return
    while (listener.sent < journal.number && listener.behindMs === undefined) {
      if (!journal.reaches(listener.sent)) {
        listener.sent = journal.number
        this.#send(listener, encoder.encode(resetText(journal)))
        return
      }
      const entries = journal.since(listener.sent, livePieceTopics)
      const before = journal.idOf(listener.sent)
      listener.sent = entries.at(-1)?.number ?? journal.number
      this.#send(listener, encoder.encode(pieceText(entries, listener, before, journal.idOf(listener.sent))))
    }
  }

  #send(listener: Listener, bytes: Uint8Array): void {
    if (!listener.send(bytes)) listener.behindMs ??= performance.now()
  }

  #sendToAll(text: string): void {
    const bytes = encoder.encode(text)
    for (const listener of this.#listeners) if (listener.behindMs === undefined) this.#send(listener, bytes)
  }

  #tellFigures(): void {
    const figures = this.#listeners.size > 0 ? this.#options.figures?.() : undefined
    if (figures === undefined) return
    const id = this.#journal!.idOf(this.#journal!.number)
    const bytes = encoder.encode(`id: ${id}\nevent: ingest\ndata: ${JSON.stringify(figures)}\n\n`)
    for (const listener of this.#listeners) {
      if (listener.behindMs === undefined && listener.charger === undefined) this.#send(listener, bytes)
    }
  }

  #remove(listener: Listener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return
    this.#linger = setTimeout(() => this.#forget(), liveLingerMs).unref()
  }

  #cut(listener: Listener): void {
    this.#remove(listener)
    listener.end()
  }
}

const bytesOf = (entries: readonly LiveEntry[], id: string, mayReadCards: boolean): Uint8Array =>
  encoder.encode(eventText(entries, id, mayReadCards))

/**
 * One event for each kind. Only the last one has the id of the piece, so a listener that loses the connection in
 * between gets the whole piece again.
 */
function pieceText(entries: readonly LiveEntry[], { charger, mayReadCards }: Listener, before: string, id: string) {
  const own = charger === undefined ? entries : entries.filter(entry => entry.charger === charger)
  const events = liveKinds
    .map(kind => own.filter(entry => entry.kind === kind))
    .filter(({ length }) => length > 0)
    .map((ofKind, at, { length }) => eventText(ofKind, at === length - 1 ? id : before, mayReadCards))
  return events.length > 0 ? events.join('') : `id: ${id}\n\n`
}

const resetText = (journal: LiveJournal): string => `id: ${journal.idOf(journal.number)}\nevent: reset\ndata: {}\n\n`

function once<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
