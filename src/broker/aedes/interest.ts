// Whether anybody subscribes to a charger's values: without a subscriber, fan-out costs nothing. Counts the clients'
// filters under the topic root. A clean=false client also counts while it is away.

import { commandsName, topicRoot } from '../../model/wire/topics.ts'

export class Interest {
  /** Per client its filters, and the charger that each names; `+` for any. */
  readonly #clients = new Map<string, Map<string, string>>()
  readonly #counts = new Map<string, number>()

  subscribe(clientId: string, filter: string): void {
    const charger = chargerOf(filter)
    if (charger === undefined) return
    const filters = this.#clients.get(clientId) ?? new Map<string, string>()
    this.#clients.set(clientId, filters)
    if (filters.has(filter)) return
    filters.set(filter, charger)
    this.#count(charger, 1)
  }

  unsubscribe(clientId: string, filter: string): void {
    const filters = this.#clients.get(clientId)
    const charger = filters?.get(filter)
    if (filters === undefined || charger === undefined) return
    filters.delete(filter)
    if (filters.size === 0) this.#clients.delete(clientId)
    this.#count(charger, -1)
  }

  /** The client and its session have ended. */
  forget(clientId: string): void {
    for (const filter of [...(this.#clients.get(clientId)?.keys() ?? [])]) this.unsubscribe(clientId, filter)
  }

  /** True when some filter may match a value of the topic's charger. */
  in(topic: string): boolean {
    if (this.#counts.size === 0) return false
    if (this.#counts.has('+')) return true
    return this.#counts.has(topic.slice(topicRoot.length, topic.indexOf('/', topicRoot.length)))
  }

  #count(charger: string, by: number): void {
    const count = (this.#counts.get(charger) ?? 0) + by
    if (count === 0) this.#counts.delete(charger)
    else this.#counts.set(charger, count)
  }
}

/** The charger that a filter names, `+` for any; undefined for a filter that no value matches. */
function chargerOf(filter: string): string | undefined {
  const [root, charger = '+', name] = filter.split('/')
  if (root !== '#' && root !== '+' && `${root}/` !== topicRoot) return undefined
  if (name === commandsName) return undefined
  return root === '#' || charger === '#' ? '+' : charger
}
