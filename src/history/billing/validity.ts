// Judges whether tariffs and cards, as they would be stored, are consistent. Two validities of the same tariff or card
// must not overlap. Every minute of a day must lie in exactly one window of a tariff. Pure.

import type { ConfigFault } from '../../model/errors.ts'

/** Days as `2026-01-01`. A validity from `-infinity` has no start. A validity to null has no end. */
export interface Valid {
  readonly validFrom: string
  readonly validTo: string | null
}

export interface StoredWindow extends Valid {
  readonly name: string
  /** For example `06:00`. */
  readonly from: string
  readonly to: string
  readonly currency: string
}

export function judgeCards(
  cards: readonly (Valid & { readonly uid: string })[],
  file: string,
  faults: ConfigFault[]
): void {
  for (const [uid, of] of groupsOf(cards, card => card.uid)) judgeOverlaps(of, `${file} ${uid}`, faults)
}

export function judgeTariffs(windows: readonly StoredWindow[], file: string, faults: ConfigFault[]): void {
  for (const [name, of] of groupsOf(windows, window => window.name)) {
    const path = `${file} ${name}`
    const currencies = [...new Set(of.map(({ currency }) => currency))]
    if (currencies.length > 1) faults.push({ path, expected: 'one currency', found: currencies.join(' and ') })
    const validities = [...groupsOf(of, window => window.validFrom).values()]
    for (const validity of validities) judgeDay(validity, path, faults)
    judgeOverlaps(
      validities.map(([first]) => first!),
      path,
      faults
    )
  }
}

/** Judges the windows of one validity. */
function judgeDay(windows: readonly StoredWindow[], tariff: string, faults: ConfigFault[]): void {
  const path = `${tariff} from ${windows[0]!.validFrom}`
  const ends = [...new Set(windows.map(({ validTo }) => validTo ?? 'nothing'))]
  if (ends.length > 1)
    faults.push({ path, expected: 'the same valid_to in all its windows', found: ends.join(' and ') })
  const quarters = new Array<number>(96).fill(0)
  for (const { from, to } of windows) {
    const [begin, end] = [quarterOf(from), quarterOf(to)]
    const count = end > begin ? end - begin : end + 96 - begin
    for (let i = 0; i < count; i++) quarters[(begin + i) % 96]!++
  }
  const odd = quarters.findIndex(count => count !== 1)
  if (odd < 0) return
  const found = `${quarters[odd] === 0 ? 'none' : quarters[odd]} at ${clockOf(odd)}`
  faults.push({ path, expected: 'exactly one window at every time of the day', found })
}

function judgeOverlaps(valid: readonly Valid[], path: string, faults: ConfigFault[]): void {
  const sorted = [...valid].sort((a, b) => (dayOf(a.validFrom) < dayOf(b.validFrom) ? -1 : 1))
  for (const [i, next] of sorted.entries()) {
    const last = sorted[i - 1]
    if (last === undefined || (last.validTo !== null && last.validTo < next.validFrom)) continue
    const expected = `what is valid from ${last.validFrom} to end before ${next.validFrom}: give it a valid_to`
    faults.push({ path, expected, found: last.validTo ?? 'no end' })
  }
}

/** The day as text. `-infinity` sorts before all days. */
const dayOf = (validFrom: string): string => (validFrom === '-infinity' ? '' : validFrom)
const quarterOf = (clock: string): number => Number(clock.slice(0, 2)) * 4 + Number(clock.slice(3, 5)) / 15
const clockOf = (quarter: number): string =>
  `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`

function groupsOf<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one])
  return groups
}
