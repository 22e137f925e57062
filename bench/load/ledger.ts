// The ledger: what a fleet knows to be acknowledged. For each charger it holds the number of polls. For each value it
// holds the count, the sum, and a sum weighted by time. The weights reveal values that have changed places. All numbers
// are in units, so they are exact.

/** The fleet and the database compute the same weight from the SamplingTime alone. */
const weightOf = (timeMs: number): number => (timeMs % 997) + 1
export const weightSql = "((date_part('epoch', r.time) * 1000)::bigint % 997 + 1)::float8"

/** Numbers per value: count, sum, weighted sum. */
export const perValue = 3

/** The length of one charger's row in the ledger: the number of polls, then `perValue` numbers for each value. */
export const ledgerWidth = (values: number): number => 1 + perValue * values

export class Ledger {
  readonly entries: Float64Array
  readonly #values: number
  readonly #width: number

  constructor(chargers: number, values: number) {
    this.#values = values
    this.#width = ledgerWidth(values)
    this.entries = new Float64Array(chargers * this.#width)
  }

  /** Enters one acknowledged poll of a charger, with all its values. */
  enter(charger: number, timeMs: number, units: Float64Array, at: number): void {
    const { entries } = this
    let p = charger * this.#width
    entries[p++]! += 1
    const weight = weightOf(timeMs)
    for (let k = 0; k < this.#values; k++) {
      const value = units[at + k]!
      entries[p]! += 1
      entries[p + 1]! += value
      entries[p + 2]! += value * weight
      p += perValue
    }
  }
}
