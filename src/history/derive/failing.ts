// The chargers whose history cannot be derived, for something in their rows, their site or their tariff. What of them
// is to be derived stays noted in `history_changes`; here is only who rests until when, so that they do not cost every
// turn. It is held in memory: another server, or one that was started again, tries them at once.

import { historyFailingRestMs } from './limits.ts'

export interface FailingCharger {
  /** Its name. */
  readonly charger: string
  readonly reason: string
}

export class Failing {
  readonly #chargers = new Map<number, FailingCharger & { readonly againAtMs: number }>()

  get ids(): readonly number[] {
    return [...this.#chargers.keys()]
  }

  get all(): readonly FailingCharger[] {
    return [...this.#chargers.values()].map(({ charger, reason }) => ({ charger, reason }))
  }

  has(chargerId: number): boolean {
    return this.#chargers.has(chargerId)
  }

  /** Those that are not to be tried yet. */
  restingAt(nowMs: number): readonly number[] {
    return [...this.#chargers].filter(([, { againAtMs }]) => nowMs < againAtMs).map(([id]) => id)
  }

  /** It failed, for the first time or again. */
  add(chargerId: number, failing: FailingCharger, nowMs: number): void {
    this.#chargers.set(chargerId, { ...failing, againAtMs: nowMs + historyFailingRestMs })
  }

  keepOnly(chargerIds: readonly number[]): void {
    const kept = new Set(chargerIds)
    for (const id of this.ids) if (!kept.has(id)) this.#chargers.delete(id)
  }
}

/** In a few words, for people; undefined when there is none. */
export function summaryOf(failing: readonly FailingCharger[]): string | undefined {
  const [first] = failing
  if (first === undefined) return undefined
  const others = failing.length === 1 ? '' : ` (and ${failing.length - 1} more)`
  return `charger ${first.charger}${others}: ${first.reason}`
}
