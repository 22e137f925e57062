// The live connection: one stream of server-sent events for all pages. The class reads the stream with fetch, because
// EventSource gives up when the server refuses once, and gives no reason. When the stream ends, the class opens it
// again after the last event, with pauses that grow to 15 s. Meanwhile the pages show how long the stream has been
// down. The class ends a stream that sends no bytes, not even pings. The listener receives all events of one animation
// frame together.

import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { IngestFigures, LiveConnection, LiveReading, LiveStatus } from '../../model/api/api.ts'
import { faultOf } from './ask.ts'

export interface LiveNews {
  readonly readings: LiveReading[]
  readonly connections: LiveConnection[]
  readonly statuses: LiveStatus[]
}

export interface LiveOptions {
  readonly news: (news: LiveNews) => void
  /** Called when events are missing: at the first opening, and after a pause that was too long for the server. */
  readonly loadAnew: () => void
}

/** `since` is the time when the last bytes arrived, in ms by this machine's clock. Null before the first bytes. */
export type LiveState = { readonly isLive: boolean; readonly since: number | null; readonly reason: string }

const pauseMinMs = 500
const pauseMaxMs = 15_000
/** The server sends figures every second, and pings every 15 s. */
const silenceMaxMs = 20_000

export class Live {
  readonly #options: LiveOptions
  readonly #watchers = new Set<() => void>()
  readonly #stopping = new AbortController()
  #state: LiveState = { isLive: false, since: null, reason: '' }
  #lastId = ''
  #pauseMs = pauseMinMs
  #lastMs: number | null = null
  #aheadMs = 0
  #news: LiveNews | undefined
  #wake: () => void = () => {}
  ingest: IngestFigures | undefined

  constructor(options: LiveOptions) {
    this.#options = options
  }

  get state(): LiveState {
    return this.#state
  }

  /** The server's time in ms. A phone with a wrong clock therefore shows the same ages as other devices. */
  now(): number {
    return Date.now() - this.#aheadMs
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  start(): void {
    addEventListener('online', this.#hurry)
    document.addEventListener('visibilitychange', this.#hurry)
    void this.#run()
  }

  stop(): void {
    removeEventListener('online', this.#hurry)
    document.removeEventListener('visibilitychange', this.#hurry)
    this.#stopping.abort()
    this.#wake()
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const reason = await this.#follow().catch((error: Error) => error.message)
      if (this.#stopping.signal.aborted) return
      this.#tell({ isLive: false, since: this.#lastMs, reason })
      await this.#pause()
    }
  }

  /** Reads until the stream ends. Returns the reason of the end. */
  async #follow(): Promise<string> {
    const ending = new AbortController()
    const silence = watchdog(silenceMaxMs, () => ending.abort())
    try {
      const headers = { accept: 'text/event-stream', ...(this.#lastId !== '' && { 'last-event-id': this.#lastId }) }
      const signal = AbortSignal.any([ending.signal, this.#stopping.signal])
      const response = await fetch('/api/v1/events', { headers, signal, cache: 'no-store' })
      if (!response.ok || response.body === null) return (await faultOf(response)).message
      this.#opened()
      const parser = createParser({
        onId: id => {
          this.#lastId = id
        },
        onEvent: event => this.#take(event)
      })
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return 'the server ended the connection'
        silence.reset()
        this.#lastMs = Date.now()
        parser.feed(value)
      }
    } catch {
      return ending.signal.aborted ? 'nothing came from the server' : 'the server does not answer'
    } finally {
      silence.stop()
      ending.abort()
    }
  }

  #opened(): void {
    this.#pauseMs = pauseMinMs
    this.#lastMs = Date.now()
    if (this.#lastId === '') this.#options.loadAnew()
    this.#tell({ isLive: true, since: this.#lastMs, reason: '' })
  }

  #take({ event, data }: EventSourceMessage): void {
    const parsed: unknown = JSON.parse(data)
    if (event === 'reading') this.#gathered().readings.push(...listOf<LiveReading>(parsed))
    else if (event === 'connection') this.#gathered().connections.push(...listOf<LiveConnection>(parsed))
    else if (event === 'status') this.#gathered().statuses.push(...listOf<LiveStatus>(parsed))
    else if (event === 'ingest') this.#figures(parsed as IngestFigures)
    else if (event === 'reset') this.#options.loadAnew()
  }

  #figures(figures: IngestFigures): void {
    this.ingest = figures
    const aheadMs = Date.now() - Date.parse(figures.time)
    // A smaller difference comes from the network's delay and from the second between two figures.
    this.#aheadMs = Math.abs(aheadMs) < 2_000 ? 0 : aheadMs
    this.#notify()
  }

  /** The news that the next frame hands over. A hidden page has no frames, so it uses a slow timer. */
  #gathered(): LiveNews {
    if (this.#news !== undefined) return this.#news
    this.#news = { readings: [], connections: [], statuses: [] }
    const handOver = (): void => {
      const news = this.#news
      this.#news = undefined
      if (news !== undefined) this.#options.news(news)
    }
    if (document.visibilityState === 'visible') requestAnimationFrame(handOver)
    else setTimeout(handOver, 1_000)
    return this.#news
  }

  #tell(state: LiveState): void {
    this.#state = state
    this.#notify()
  }

  #notify(): void {
    for (const changed of this.#watchers) changed()
  }

  /** The pause is random, so that browsers do not all connect at the same moment when the server is back. */
  async #pause(): Promise<void> {
    const ms = this.#pauseMs * (0.75 + Math.random() / 2)
    this.#pauseMs = Math.min(pauseMaxMs, this.#pauseMs * 1.7)
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Called when the network is back, and when the page becomes visible. Ends the pause. */
  readonly #hurry = (): void => {
    if (document.visibilityState === 'hidden') return
    this.#pauseMs = pauseMinMs
    this.#wake()
  }
}

const listOf = <Item>(parsed: unknown): readonly Item[] =>
  Array.isArray(parsed) ? (parsed as Item[]) : [parsed as Item]

function watchdog(ms: number, bark: () => void): { reset(): void; stop(): void } {
  let timer = setTimeout(bark, ms)
  return {
    reset() {
      clearTimeout(timer)
      timer = setTimeout(bark, ms)
    },
    stop: () => clearTimeout(timer)
  }
}
