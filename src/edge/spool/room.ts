// Keeps the spool below its bound: a little with every append, so that no poll waits long and appends go on for weeks.
// It removes, in this order: acknowledged samples, oldest first; values, by the rule of thin.ts; whole samples, oldest
// first. The newest quarter of the samples is not touched. Every loss is counted, and the counters are written in the
// same transaction.

import { dropCountMax, makeRoomCountMax } from './limits.ts'
import type { Row, SpoolFile, UnsettledTable } from './spoolFile.ts'
import { type Left, type Thinner, type ThinRow, type ThinStep, thinSteps } from './thin.ts'

/**
 * Room is made above this share of the bound; the rest is for the transaction itself and for rows that thinning has
 * not reached.
 */
const fullShare = 0.9
const untouchedShare = 0.25
const tables: readonly UnsettledTable[] = ['backlog', 'held']

/** Call it within a transaction. `newestSeq`: the highest number given. */
export function makeRoom(file: SpoolFile, thinner: Thinner, maxBytes: number, newestSeq: number): void {
  const isFull = () => file.usedBytes() > maxBytes * fullShare
  if (!isFull()) return
  if (removeSettled(file, newestSeq, isFull)) return
  const left = thinOldest(file, thinner, newestSeq, isFull)
  const nothingToThin = left > 0 && isFull()
  if (nothingToThin || file.isCramped()) dropOldest(file, newestSeq)
  file.noteTally()
}

/** True if that was enough for now. */
function removeSettled(file: SpoolFile, newestSeq: number, isFull: () => boolean): boolean {
  for (let removed = 0; removed < makeRoomCountMax && isFull(); ) {
    const step = file.removeSettled(makeRoomCountMax / 2, Number.MAX_SAFE_INTEGER, newestSeq)
    if (step === 0) return false
    removed += step
  }
  return true
}

/** Returns how many more rows may be looked at in this append; 0 if work is left for the next. */
function thinOldest(file: SpoolFile, thinner: Thinner, newestSeq: number, isFull: () => boolean): number {
  let left = makeRoomCountMax
  for (const step of thinSteps) {
    for (const table of tables) {
      while (left > 0 && isFull()) {
        const looked = thinSome(file, thinner, table, step, newestSeq, left)
        if (looked === 0) break
        left -= looked
      }
    }
  }
  return left
}

/** Applies one step to the rows after those it was applied to. Returns their number. */
function thinSome(
  file: SpoolFile,
  thinner: Thinner,
  table: UnsettledTable,
  step: ThinStep,
  newestSeq: number,
  limit: number
): number {
  const { tally } = file
  const through = tally.thinnedThrough[table]
  const newest = table === 'backlog' ? newestSeq : file.newestHeld()
  const end = newest - Math.ceil(tally[table] * untouchedShare)
  const rows = file.rows(table, through[step] ?? 0, end, limit)
  if (rows.length < limit) through[step] = Math.max(through[step] ?? 0, end)
  if (rows.length === 0) return 0
  through[step] = Math.max(through[step] ?? 0, rows.at(-1)!.seq)
  const changed = thinner.thin(
    step,
    rows.map(row => thinRowOf(table, row))
  )
  if (changed.size > 0) apply(file, table, rows, changed)
  return rows.length
}

const thinRowOf = (table: UnsettledTable, { seq, charger, time_ms, sample_values, repeats, mark }: Row): ThinRow => ({
  seq,
  group: table === 'backlog' ? charger : `${charger} ${mark}`,
  timeMs: time_ms,
  values: JSON.parse(sample_values),
  repeats: repeats === 1
})

function apply(file: SpoolFile, table: UnsettledTable, rows: readonly Row[], changed: ReadonlyMap<number, Left>): void {
  const firstSeq = rows[0]!.seq
  for (const [seq, left] of changed) {
    if (seq >= firstSeq || changeOne(file, table, seq, left)) file.tally.thinned += left.removed
  }
  file.rewrite(table, rows, ({ seq, sample_values }) => {
    const left = changed.get(seq)
    if (left === undefined) return sample_values
    return isEmpty(left) ? undefined : JSON.stringify(left.values)
  })
}

/** A row of an earlier call; it may have been acknowledged since. */
const changeOne = (file: SpoolFile, table: UnsettledTable, seq: number, left: Left): boolean =>
  (isEmpty(left) ? file.remove(table, seq, seq) : file.setValues(table, seq, left.values)) > 0

const isEmpty = ({ values }: Left): boolean => Object.keys(values).length === 0

/** Keeps the newest sample: its number must not be given again after a restart. */
function dropOldest(file: SpoolFile, newestSeq: number): void {
  const fullerFirst = tables.toSorted((a, b) => file.tally[b] - file.tally[a])
  for (const table of fullerFirst) {
    const rows = file.rows(table, 0, table === 'backlog' ? newestSeq - 1 : Number.MAX_SAFE_INTEGER, dropCountMax)
    if (rows.length === 0) continue
    file.tally.dropped += file.remove(table, rows[0]!.seq, rows.at(-1)!.seq)
    return
  }
}
