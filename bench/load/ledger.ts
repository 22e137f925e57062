// What a fleet knows to be acknowledged, by charger: how many polls, and for each value how many, their sum, and a sum
// weighted by the time, so that values which change places do not cancel out. In units, so every number is exact.

/** Both sides compute it from the SamplingTime alone. */
const weightOf = (timeMs: number): number => (timeMs % 997) + 1
export const weightSql = "((date_part('epoch', r.time) * 1000)::bigint % 997 + 1)::float8"

/** Numbers per value: count, sum, weighted sum. */
export const perValue = 3

/** Polls first, then `perValue` numbers for each value: a row of the ledger of one charger. */
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

  /** A poll of the charger is acknowledged, all its values. */
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
