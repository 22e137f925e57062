// Decides which lane the messages of an identity take: always the same one of the ordinary lanes, or the late lane. An
// identity takes the late lane while it sends rows that are old enough to lie in compressed chunks, where a write takes
// a thousand times as long. An identity changes its lane only when none of its messages is in flight, so that neither
// its rows nor its acknowledgements overtake each other. Messages of a late identity that are still in the ordinary
// lane are handed on, unstored and in order.

import type { Batch } from '../batch.ts'
import type { Lane } from './lane.ts'

interface Route {
  readonly ordinary: Lane
  lane: Lane
  inFlight: number
}

export class Routes {
  readonly #lanes: readonly Lane[]
  readonly #late: Lane
  readonly #routes = new Map<string, Route>()
  /** The identities that sent late rows, and have not stopped yet. */
  readonly #lates = new Set<string>()

  constructor(lanes: readonly Lane[], late: Lane) {
    this.#lanes = lanes
    this.#late = late
  }

  /** The lane of the identity's next messages, which count as in flight from now on. */
  enter(identity: string, messages: number): Lane {
    const route = this.#routeOf(identity)
    if (route.inFlight === 0) route.lane = this.#isLate(identity) ? this.#late : route.ordinary
    route.inFlight += messages
    return route.lane
  }

  /** The numbers of the identities whose messages in this batch of an ordinary lane belong to the late lane. */
  lateIn({ identities }: Batch): number[] {
    const late: number[] = []
    if (this.#lates.size === 0) return late
    identities.forEach((identity, number) => {
      if (this.#lates.has(identity)) late.push(number)
    })
    return late
  }

  /** Notes that a batch was settled. `late` are the numbers of its identities with late rows. */
  settled(lane: Lane, { identities, counts }: Batch, late: readonly number[]): void {
    identities.forEach((identity, number) => {
      const route = this.#routeOf(identity)
      route.inFlight -= counts[number]!
      if (lane === this.#late && route.lane === lane) this.#lates.delete(identity)
    })
    for (const number of late) this.#lates.add(identities[number]!)
  }

  /** The late lane, for one message of a settled batch that is handed on. */
  moved(identity: string): Lane {
    this.#routeOf(identity).inFlight++
    return this.#late
  }

  /** Nearly always no identity is late. Then the check costs nothing. */
  #isLate(identity: string): boolean {
    return this.#lates.size > 0 && this.#lates.has(identity)
  }

  #routeOf(identity: string): Route {
    let route = this.#routes.get(identity)
    if (route === undefined) {
      const ordinary = this.#lanes[hash(identity) % this.#lanes.length]!
      route = { ordinary, lane: ordinary, inFlight: 0 }
      this.#routes.set(identity, route)
    }
    return route
  }
}

/** FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}
