// The chargers whose history cannot be derived, because of their rows, their site or their tariff. Their ranges stay
// noted in `history_changes`. This file only holds how long each charger rests, so that failing chargers do not cost
// time at every turn. The list is in memory: another server, or a restarted one, tries these chargers at once.

import { historyFailingRestMs } from './limits.ts'

export interface FailingCharger {
  /** The name of the charger. */
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

  /** The ids of the chargers that must not be tried yet. */
  restingAt(nowMs: number): readonly number[] {
    return [...this.#chargers].filter(([, { againAtMs }]) => nowMs < againAtMs).map(([id]) => id)
  }

  /** Notes that a charger failed, for the first time or again. */
  add(chargerId: number, failing: FailingCharger, nowMs: number): void {
    this.#chargers.set(chargerId, { ...failing, againAtMs: nowMs + historyFailingRestMs })
  }

  keepOnly(chargerIds: readonly number[]): void {
    const kept = new Set(chargerIds)
    for (const id of this.ids) if (!kept.has(id)) this.#chargers.delete(id)
  }
}

/** A short summary for people. Undefined when no charger fails. */
export function summaryOf(failing: readonly FailingCharger[]): string | undefined {
  const [first] = failing
  if (first === undefined) return undefined
  const others = failing.length === 1 ? '' : ` (and ${failing.length - 1} more)`
  return `charger ${first.charger}${others}: ${first.reason}`
}
