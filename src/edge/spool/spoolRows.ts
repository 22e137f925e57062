// How samples are written to and read from the spool's file.

import type { ChargerMemory, NewSample, SpooledSample, UndatedSample } from './samples.ts'
import type { Row, SpoolFile, UnsettledTable } from './spoolFile.ts'
import { stateNames } from './thin.ts'

/** `backlog.sent`. */
export const unsent = 0
export const sent = 1

/** Call it within a transaction, before the memory of the charger moves. */
export function insertSample(file: SpoolFile, seq: number, sample: NewSample | UndatedSample): void {
  const { charger, values } = sample
  const row = { charger, sample_values: JSON.stringify(values), repeats: Number(isRepeat(file, charger, values)) }
  if ('undated' in sample) {
    const { bootId, monotonicMs } = sample.undated
    file.insert('held', { ...row, seq: file.newestHeld() + 1, time_ms: Math.floor(monotonicMs), mark: bootId })
  } else file.insert('backlog', { ...row, seq, time_ms: sample.timeMs, mark: unsent })
}

/** True if the sample repeats the known states: a heartbeat, and no change. */
function isRepeat(file: SpoolFile, charger: string, values: NewSample['values']): boolean {
  const present = stateNames.filter(name => values[name] !== undefined)
  if (present.length === 0) return true
  const before = file.memoryOf(charger) as ChargerMemory | undefined
  return present.every(name => before?.known[name]?.value === values[name])
}

export const sampleOf = ({ seq, charger, time_ms, sample_values, mark }: Row): SpooledSample => ({
  seq,
  charger,
  timeMs: time_ms,
  values: JSON.parse(sample_values),
  sentBefore: mark === sent
})

/** Adds to the totals of the charger's unsent samples after a number. Returns the number of changed samples. */
export function shiftTotals(
  file: SpoolFile,
  table: UnsettledTable,
  charger: string,
  offsetWh: number,
  afterSeq: number
): number {
  let shifted = 0
  for (const rows of file.pages(table, afterSeq)) {
    const changed = new Map(rows.flatMap(row => (row.charger === charger ? shiftTotal(row, offsetWh) : [])))
    if (changed.size > 0) file.rewrite(table, rows, ({ seq, sample_values }) => changed.get(seq) ?? sample_values)
    shifted += changed.size
  }
  return shifted
}

function shiftTotal({ seq, sample_values, mark }: Row, offsetWh: number): [number, string][] {
  const values: NewSample['values'] = JSON.parse(sample_values)
  const { TotalEnergyConsumption: totalWh } = values
  if (mark === sent || totalWh === undefined) return []
  return [[seq, JSON.stringify({ ...values, TotalEnergyConsumption: totalWh + offsetWh })]]
}

/** Moves the unsent samples of the charger that lie after `nowMs` back, so that the newest is of now. */
export function pullBack(file: SpoolFile, charger: string, nowMs: number): { newestMs: number; moved: number } {
  const where = `FROM backlog WHERE charger = ? AND sent = ${unsent} AND time_ms`
  const ahead = file.all<{ seq: number; time_ms: number }>(
    `SELECT seq, time_ms ${where} > ? ORDER BY seq`,
    charger,
    nowMs
  )
  const before = file.get<{ newest: number | null }>(`SELECT max(time_ms) AS newest ${where} <= ?`, charger, nowMs)
  const backMs = (ahead.at(-1)?.time_ms ?? nowMs) - nowMs
  let newestMs = before?.newest ?? 0
  for (const { seq, time_ms } of ahead) {
    newestMs = Math.max(newestMs + 1, time_ms - backMs)
    file.run('UPDATE backlog SET time_ms = ? WHERE seq = ?', newestMs, seq)
  }
  return { newestMs: Math.max(newestMs, nowMs), moved: ahead.length }
}
