// Which of some names was meant by a mistyped one.

const distanceMax = 2

/** The name at the least distance; undefined where none is close. Of a short name fewer letters may be wrong. */
export function nearest(typed: string, names: readonly string[]): string | undefined {
  const close = names
    .filter(name => Math.abs(name.length - typed.length) <= distanceMax)
    .map(name => ({ name, distance: distanceOf(typed, name) }))
    .filter(({ name, distance }) => distance <= Math.min(distanceMax, Math.floor(name.length / 2)))
  return close.sort((a, b) => a.distance - b.distance)[0]?.name
}

/** Damerau-Levenshtein (optimal string alignment): letters added, left out, changed, or swapped with a neighbour. */
function distanceOf(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1]!
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, changed, isSwap ? rows[i - 2]![j - 2]! + 1 : changed))
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
