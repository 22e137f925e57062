// Which rows of a long list are visible. Pure.

export interface Shown {
  readonly first: number
  /** Not included. */
  readonly end: number
}

/** `top`: how far the list's start lies above the top of the view; negative when below. */
export function visibleRows(top: number, viewHeight: number, rowHeight: number, count: number, spare: number): Shown {
  const first = Math.max(0, Math.floor(top / rowHeight) - spare)
  const end = Math.min(count, Math.ceil((top + viewHeight) / rowHeight) + spare)
  return { first: Math.min(first, Math.max(0, count)), end: Math.max(end, Math.min(first, count)) }
}
