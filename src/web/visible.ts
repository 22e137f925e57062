// Computes which rows of a long list are visible. Pure.

export interface Shown {
  readonly first: number
  /** The index after the last visible row. */
  readonly end: number
}

/**
 * `top` is the distance from the top of the view up to the list's start. Negative when the list starts below the top.
 */
export function visibleRows(top: number, viewHeight: number, rowHeight: number, count: number, spare: number): Shown {
  const first = Math.max(0, Math.floor(top / rowHeight) - spare)
  const end = Math.min(count, Math.ceil((top + viewHeight) / rowHeight) + spare)
  return { first: Math.min(first, Math.max(0, count)), end: Math.max(end, Math.min(first, count)) }
}
