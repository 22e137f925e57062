// What a server says about itself at /metrics, as far as it says it: a server without them is measured from outside
// alone.

/** Values by name; of those with labels the sum, and for histograms the counts by upper bound. */
export interface Scrape {
  readonly atMs: number
  readonly values: ReadonlyMap<string, number>
  readonly buckets: ReadonlyMap<string, ReadonlyMap<number, number>>
}

export async function scrape(url: string | undefined): Promise<Scrape | undefined> {
  if (url === undefined) return undefined
  try {
    const response = await fetch(url)
    return response.ok ? parseMetrics(await response.text(), Date.now()) : undefined
  } catch {
    return undefined
  }
}

export function parseMetrics(text: string, atMs: number): Scrape {
  const values = new Map<string, number>()
  const buckets = new Map<string, Map<number, number>>()
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = /^([a-z_]+)(\{[^}]*\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) continue
    const bound = /\ble="([^"]+)"/.exec(labels)?.[1]
    if (bound === undefined) values.set(name, (values.get(name) ?? 0) + Number(value))
    else {
      const histogram = name.replace(/_bucket$/, '')
      const counts = buckets.get(histogram) ?? new Map<number, number>()
      buckets.set(histogram, counts.set(bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound), Number(value)))
    }
  }
  return { atMs, values, buckets }
}

/** By how much a counter rose; undefined where it is not told. */
export function risen(before: Scrape | undefined, after: Scrape | undefined, name: string): number | undefined {
  const [from, to] = [before?.values.get(name), after?.values.get(name)]
  return from === undefined || to === undefined ? undefined : to - from
}

export interface Bucket {
  /** Upper bound; null for the last one, which has none. */
  readonly atMost: number | null
  readonly count: number
}

/** What a histogram counted in between, each bucket for itself. */
export function bucketsBetween(before: Scrape | undefined, after: Scrape | undefined, name: string): Bucket[] {
  const to = after?.buckets.get(name)
  if (to === undefined) return []
  let below = 0
  return [...to].map(([bound, total]) => {
    const upTo = total - (before?.buckets.get(name)?.get(bound) ?? 0)
    const count = upTo - below
    below = upTo
    return { atMost: Number.isFinite(bound) ? bound : null, count }
  })
}
