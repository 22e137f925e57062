// Latencies in the manner of HdrHistogram: log-linear buckets, 64 to each doubling (an error below 1.6 %), from 1 us to
// over an hour. Histograms of several processes can be merged. Recording costs a few operations and allocates nothing.

const subBits = 6
const sub = 1 << subBits
const bucketCount = (32 - subBits + 1) * sub

/** Pairs of bucket and count, without the empty buckets. Histograms are sent and stored in this form. */
export type HistogramCounts = readonly (readonly [bucket: number, count: number])[]

export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

export class Histogram {
  readonly #counts = new Float64Array(bucketCount)
  #count = 0
  #maxUs = 0

  static of(counts: HistogramCounts, maxUs = 0): Histogram {
    const histogram = new Histogram()
    histogram.add(counts, maxUs)
    return histogram
  }

  get count(): number {
    return this.#count
  }

  get maxUs(): number {
    return this.#maxUs
  }

  recordMs(ms: number): void {
    const us = Math.min(Math.max(0, Math.round(ms * 1000)), 2 ** 32 - 1)
    this.#counts[bucketOf(us)]!++
    this.#count++
    if (us > this.#maxUs) this.#maxUs = us
  }

  add(counts: HistogramCounts, maxUs = 0): void {
    for (const [bucket, count] of counts) {
      this.#counts[bucket]! += count
      this.#count += count
      this.#maxUs = Math.max(this.#maxUs, maxUs || highestUs(bucket))
    }
  }

  reset(): void {
    this.#counts.fill(0)
    this.#count = 0
    this.#maxUs = 0
  }

  counts(): HistogramCounts {
    const pairs: (readonly [number, number])[] = []
    if (this.#count > 0)
      for (const [bucket, count] of this.#counts.entries()) if (count > 0) pairs.push([bucket, count])
    return pairs
  }

  /** The smallest value in ms that the given share of all values does not exceed. NaN when nothing was recorded. */
  atMs(share: number): number {
    if (this.#count === 0) return Number.NaN
    const rank = Math.max(1, Math.ceil(share * this.#count))
    let seen = 0
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= rank) return Math.min(highestUs(bucket), this.#maxUs) / 1000
    }
    return this.#maxUs / 1000
  }

  percentilesMs(): Percentiles {
    return { p50: this.atMs(0.5), p90: this.atMs(0.9), p99: this.atMs(0.99), max: this.atMs(1) }
  }
}

/** Below 64 us each microsecond has its own bucket. Above, the six bits after the highest bit choose the bucket. */
function bucketOf(us: number): number {
  if (us < sub) return us
  const shift = 31 - Math.clz32(us) - subBits
  return (shift + 1) * sub + ((us >>> shift) - sub)
}

/** The highest value that falls into the bucket. */
export function highestUs(bucket: number): number {
  if (bucket < sub) return bucket
  const shift = Math.floor(bucket / sub) - 1
  return (sub + (bucket % sub) + 1) * 2 ** shift - 1
}
