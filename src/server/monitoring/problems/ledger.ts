// What the table `problems` should hold, and what the webhook should be told next. Pure bookkeeping over rows, without
// clock and database. A problem is reported when it has been there for 15 minutes, its end when it has been gone for as
// long. A problem that comes and goes within that time is never reported, and one that comes back in time was never
// gone.

import type { Problem } from '../../../model/api/api.ts'
import type { Condition } from '../../../model/api/problem.ts'
import { webhookAfterMs, webhookAlongMs } from './limits.ts'
import { keyOf } from './problems.ts'
import type { ProblemRow } from './rows.ts'

export interface Due {
  readonly opened: readonly ProblemRow[]
  readonly closed: readonly ProblemRow[]
}

export class ProblemLedger {
  readonly #rows: Map<string, ProblemRow>
  /** Rows that are missing or different in the database, or should be deleted there. */
  readonly #dirty = new Map<string, { readonly row: ProblemRow; readonly isGone: boolean }>()

  constructor(rows: Iterable<ProblemRow>) {
    this.#rows = new Map(Array.from(rows, row => [keyOf(row.charger, row.condition), row]))
  }

  /** Takes over what holds now. Without `isTelling` there is no webhook, and an ended problem is forgotten at once. */
  reconcile(problems: Iterable<Problem>, nowMs: number, isTelling: boolean): void {
    const holding = new Set<string>()
    for (const problem of problems) {
      const key = keyOf(problem.charger, problem.condition)
      holding.add(key)
      this.#hold(key, problem, nowMs)
    }
    for (const [key, row] of this.#rows) {
      if (holding.has(key) || (row.closedMs !== undefined && isTelling)) continue
      if (row.toldMs === undefined || !isTelling) this.#forget(key, row)
      else {
        row.closedMs = nowMs
        this.#touch(key, row)
      }
    }
  }

  /**
   * Undefined when nothing is due. Otherwise includes younger problems of the same conditions, so that they need no
   * message of their own.
   */
  due(nowMs: number): Due | undefined {
    const opened = dueOf(this.#rows.values(), nowMs, row =>
      row.toldMs === undefined && row.closedMs === undefined ? row.seenMs : undefined
    )
    const closed = dueOf(this.#rows.values(), nowMs, row => row.closedMs)
    return opened.length + closed.length === 0 ? undefined : { opened, closed }
  }

  /** The webhook accepted the message. */
  told({ opened, closed }: Due, nowMs: number): void {
    for (const row of opened) {
      row.toldMs = nowMs
      this.#touch(keyOf(row.charger, row.condition), row)
    }
    for (const row of closed) this.#forget(keyOf(row.charger, row.condition), row)
  }

  /** What the database does not have yet. Call `written` when it does. */
  get unwritten(): { readonly changed: readonly ProblemRow[]; readonly gone: readonly ProblemRow[] } {
    const dirty = [...this.#dirty.values()]
    return {
      changed: dirty.filter(({ isGone }) => !isGone).map(({ row }) => row),
      gone: dirty.filter(({ isGone }) => isGone).map(({ row }) => row)
    }
  }

  written(): void {
    this.#dirty.clear()
  }

  #hold(key: string, { charger, condition, cause, since }: Problem, nowMs: number): void {
    const row = this.#rows.get(key)
    const sinceMs = Date.parse(since)
    if (row === undefined) {
      const made = { charger, condition, cause, sinceMs, seenMs: nowMs, toldMs: undefined, closedMs: undefined }
      this.#rows.set(key, made)
      this.#touch(key, made)
    } else if (row.closedMs !== undefined) {
      row.closedMs = undefined
      row.cause = cause
      this.#touch(key, row)
    } else row.cause = cause // numbers in it move: not worth a write
  }

  #forget(key: string, row: ProblemRow): void {
    this.#rows.delete(key)
    this.#dirty.set(key, { row, isGone: true })
  }

  #touch(key: string, row: ProblemRow): void {
    this.#dirty.set(key, { row, isGone: false })
  }
}

/**
 * Rows that are old enough, with the younger rows of their conditions. `fromMs` gives the age of a row; undefined: not
 * due at all.
 */
function dueOf(
  rows: Iterable<ProblemRow>,
  nowMs: number,
  fromMs: (row: ProblemRow) => number | undefined
): ProblemRow[] {
  const candidates: ProblemRow[] = []
  const ripe = new Set<Condition>()
  for (const row of rows) {
    const ageMs = nowMs - (fromMs(row) ?? Number.POSITIVE_INFINITY)
    if (ageMs >= webhookAfterMs) ripe.add(row.condition)
    if (ageMs >= webhookAlongMs) candidates.push(row)
  }
  return candidates.filter(({ condition }) => ripe.has(condition))
}
