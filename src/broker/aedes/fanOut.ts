// How news reaches subscribers: the newest value of a topic goes to the connected ones of this server, and through the
// persistence to the sessions that outlive their connections. Without a subscriber, it costs one look at the interest.

import type { Aedes } from 'aedes'
import { emitterOf } from '../internals.ts'
import type { ShadowEntry } from '../shadow.ts'
import type { Interest } from './interest.ts'
import { type News, newsOf } from './news.ts'
import type { OpenPersistence } from './persistence.ts'

export interface FanOutOptions {
  readonly interest: Interest
  readonly persistence: OpenPersistence
  readonly failed: (error: Error) => void
}

export class FanOut {
  readonly #options: FanOutOptions
  readonly #news: News[] = []
  #aedes!: Aedes

  constructor(options: FanOutOptions) {
    this.#options = options
  }

  /** To be called before the first `tell`. It comes late because Aedes needs the hooks, and the hooks need presence. */
  open(aedes: Aedes): void {
    this.#aedes = aedes
  }

  /**
   * With several servers, only news for a session that outlives its connection goes through Redis. The connected
   * subscribers of the other servers get the newest value by the shared shadow.
   */
  tell(topic: string, entry: ShadowEntry): void {
    const { persistence, failed } = this.#options
    if (persistence.isKeptFor(topic)) {
      this.#aedes.publish(newsOf(topic, entry.payload), error => {
        if (error) failed(error)
      })
    } else this.tellHere(topic, entry)
  }

  /** To the connected subscribers of this server alone. */
  tellHere(topic: string, entry: ShadowEntry): void {
    if (this.#options.interest.in(topic)) this.#emitHere(newsOf(topic, entry.payload))
  }

  /**
   * Past Aedes' search for sessions that wait for it. Not before all that is new now is in the shadow: of two values of
   * a topic the older one would be on its way while a client that subscribes gets the newer one.
   */
  #emitHere(news: News): void {
    if (this.#news.push(news) > 1) return
    queueMicrotask(() => {
      const { bus } = this.#options.persistence
      for (const news of this.#news.splice(0)) {
        if (bus) bus.emitHere(news)
        else emitterOf(this.#aedes).emit(news, () => {})
      }
    })
  }
}
