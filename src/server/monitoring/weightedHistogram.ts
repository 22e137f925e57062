// A Prometheus histogram whose observations have a weight. All messages of a run take one call, where prom-client's
// histogram takes one call per message. It also gives quantiles since an earlier moment, for a display of the last
// seconds.

import type { Metric } from 'prom-client'

export interface WeightedHistogramOptions {
  readonly name: string
  readonly help: string
  /** Upper bounds, rising, without infinity. */
  readonly buckets: readonly number[]
}

/** To the microsecond. `counts` has one more element than there are bounds. See WeightedHistogram.quantile. */
export function quantileOf(q: number, bounds: ArrayLike<number>, counts: ArrayLike<number>): number | undefined {
  let left = 0
  for (let i = 0; i < counts.length; i++) left += counts[i]!
  if (left <= 0) return undefined
  left *= q
  for (let i = 0; i < bounds.length; i++) {
    const [count, from] = [counts[i]!, i === 0 ? 0 : bounds[i - 1]!]
    if (count > 0 && left <= count) return Math.round((from + ((bounds[i]! - from) * left) / count) * 1e6) / 1e6
    left -= count
  }
  return bounds[bounds.length - 1]
}

/** The counts of all buckets at a moment, the last one above every bound. Not cumulative. */
export type HistogramCounts = Float64Array

export class WeightedHistogram {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly #bounds: Float64Array
  readonly #counts: HistogramCounts
  #sum = 0

  constructor({ name, help, buckets }: WeightedHistogramOptions) {
    this.name = name
    this.help = help
    this.#bounds = Float64Array.from(buckets)
    this.#counts = new Float64Array(buckets.length + 1)
  }

  /** For a registry. It uses `name` and `get` of a metric; its type asks for a class of the library. */
  get metric(): Metric {
    return this as unknown as Metric
  }

  observe(value: number, weight = 1): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.#counts[bucket]! += weight
    this.#sum += value * weight
  }

  counts(): HistogramCounts {
    return this.#counts.slice()
  }

  /**
   * The value below which the share `q` of the observations since `before` lies, interpolated in its bucket. Undefined
   * when there were none. Above the last bound the answer is that bound.
   */
  quantile(q: number, before: HistogramCounts): number | undefined {
    return quantileOf(q, this.#bounds, this.gained(before))
  }

  /** What the buckets gained since `before`. */
  gained(before: HistogramCounts): HistogramCounts {
    return this.#counts.map((count, i) => count - before[i]!)
  }

  /** For the registry. */
  async get(): Promise<object> {
    const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = []
    let total = 0
    for (const [i, count] of this.#counts.entries()) {
      total += count
      values.push({ metricName: `${this.name}_bucket`, labels: { le: this.#bounds[i] ?? '+Inf' }, value: total })
    }
    values.push({ metricName: `${this.name}_sum`, labels: {}, value: this.#sum })
    values.push({ metricName: `${this.name}_count`, labels: {}, value: total })
    return { name: this.name, help: this.help, type: this.type, values, aggregator: 'sum' }
  }

  reset(): void {
    this.#counts.fill(0)
    this.#sum = 0
  }
}
