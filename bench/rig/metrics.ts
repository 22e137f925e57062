// Reads a server's metrics at /metrics. A server without metrics gives undefined, and is measured from outside only.

/** The values by name. A name with labels has the sum over its labels. A histogram has the counts by upper bound. */
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

/** The rise of a counter. Undefined when one of the scrapes lacks the counter. */
export function risen(before: Scrape | undefined, after: Scrape | undefined, name: string): number | undefined {
  const [from, to] = [before?.values.get(name), after?.values.get(name)]
  return from === undefined || to === undefined ? undefined : to - from
}

export interface Bucket {
  /** The upper bound. Null for the last bucket, which has no bound. */
  readonly atMost: number | null
  readonly count: number
}

/** The counts of a histogram between two scrapes. Each bucket counts only its own values. */
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
