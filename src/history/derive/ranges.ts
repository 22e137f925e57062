// Ranges of time per charger, and the quarter hours that they touch. Pure. Ranges are half open: `from` is included,
// `to` is not.

/** A range in which a charger may have new rows: [fromMs, toMs). */
export interface ChargerRange {
  readonly chargerId: number
  readonly fromMs: number
  readonly toMs: number
}

export interface Range {
  readonly fromMs: number
  readonly toMs: number
}

const quarterMs = 900_000

/** The start of the quarter hour that holds `ms`. */
export const quarterOf = (ms: number): number => Math.floor(ms / quarterMs) * quarterMs

/** The whole quarter hours that a range touches. */
export function quartersOf<R extends Range>(range: R): R {
  return { ...range, fromMs: quarterOf(range.fromMs), toMs: quarterOf(range.toMs + quarterMs - 1) }
}

/** The parts of the ranges that lie in [fromMs, toMs). */
export function clipped<R extends Range>(ranges: readonly R[], fromMs: number, toMs = Infinity): R[] {
  return ranges
    .map(range => ({ ...range, fromMs: Math.max(range.fromMs, fromMs), toMs: Math.min(range.toMs, toMs) }))
    .filter(range => range.fromMs < range.toMs)
}

/**
 * The same times in fewer ranges, sorted by charger and time. Ranges that overlap, or are at most `gapMs` apart, become
 * one.
 */
export function mergedByCharger(ranges: readonly ChargerRange[], gapMs = 0): ChargerRange[] {
  const sorted = [...ranges].sort((a, b) => a.chargerId - b.chargerId || a.fromMs - b.fromMs)
  return joined(sorted, (last, next) => last.chargerId === next.chargerId && next.fromMs <= last.toMs + gapMs)
}

/** The times that the ranges of all chargers cover. */
export function merged(ranges: readonly Range[]): Range[] {
  const sorted = ranges.map(({ fromMs, toMs }) => ({ fromMs, toMs })).sort((a, b) => a.fromMs - b.fromMs)
  return joined(sorted, (last, next) => next.fromMs <= last.toMs)
}

function joined<R extends Range>(sorted: readonly R[], belongs: (last: R, next: R) => boolean): R[] {
  const found: R[] = []
  for (const next of sorted) {
    const last = found.at(-1)
    if (last === undefined || !belongs(last, next)) found.push(next)
    else if (next.toMs > last.toMs) found[found.length - 1] = { ...last, toMs: next.toMs }
  }
  return found
}
