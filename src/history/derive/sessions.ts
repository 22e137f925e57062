// Derives charging sessions from raw rows and stores them. The same rows give the same sessions, in whatever order they
// came and however often it is asked; what did not change is not written. It goes on from what it knew at the beginning
// of a range, and ends as soon as it knows what it knew before: so late rows cost what they touch, a day at each side.
// What lies before the raw rows that are left is never derived anew.

import { type PriceList, readPriceList } from '../billing/priceList.ts'
import type { SessionRow } from '../counters.ts'
import type { Db } from '../queryable.ts'
import { curveMilliWh, type Session } from '../session.ts'
import type { ChargerRange } from './ranges.ts'
import { Course } from './sessionMachine.ts'
import {
  type ChargerMark,
  type ChargerMarks,
  type DerivedSession,
  deleteOtherSessions,
  type Mark,
  readMarks,
  readRows,
  upsertHeads,
  upsertSessions,
  upsertStates
} from './sessionRows.ts'

const dayUs = 86_400_000_000
/** Chargers that are derived at once, and rows that are read at once for all of them. */
const chargersMax = 500
const rowsMax = 50_000

/**
 * In the caller's transaction. Every row must lie in a range of some call after it was committed. Rows before
 * `rawFromMs` are gone.
 */
export async function deriveSessions(db: Db, ranges: readonly ChargerRange[], rawFromMs = -Infinity): Promise<void> {
  const prices = await readPriceList(db)
  for (const round of roundsOf(ranges)) {
    for (let i = 0; i < round.length; i += chargersMax) {
      await deriveOf(db, round.slice(i, i + chargersMax), rawFromMs * 1000, prices)
    }
  }
}

/** In each round a charger has one range; its ranges come in time order. */
function roundsOf(ranges: readonly ChargerRange[]): ChargerRange[][] {
  const seen = new Map<number, number>()
  const rounds: ChargerRange[][] = []
  for (const range of [...ranges].sort((a, b) => a.fromMs - b.fromMs)) {
    const round = seen.get(range.chargerId) ?? 0
    seen.set(range.chargerId, round + 1)
    rounds[round] ??= []
    rounds[round].push(range)
  }
  return rounds
}

async function deriveOf(db: Db, ranges: readonly ChargerRange[], rawFromUs: number, prices: PriceList): Promise<void> {
  const range = new Map(ranges.map(({ chargerId, fromMs, toMs }) => [chargerId, { fromMs, toMs }]))
  const asked = ranges.map(({ chargerId, fromMs, toMs }) => {
    return { chargerId, fromUs: Math.max(Math.floor(fromMs * 1000), rawFromUs), toUs: Math.ceil(toMs * 1000) }
  })
  const runs = (await readMarks(db, asked)).map(marks => {
    const { fromMs, toMs } = range.get(marks.chargerId)!
    return new Run(marks, Math.floor(fromMs * 1000), Math.ceil(toMs * 1000), rawFromUs)
  })
  let waiting = runs
  while (waiting.length > 0) {
    const limit = Math.max(100, Math.floor(rowsMax / waiting.length))
    const rows = await readRows(db, waiting, limit)
    for (const run of waiting) run.take(rows.get(run.chargerId)!, limit)
    waiting = waiting.filter(({ isDone }) => !isDone)
  }
  await store(db, runs, prices)
}

/** What was known for good goes last: after a crash between, it is derived again. */
async function store(db: Db, runs: readonly Run[], prices: PriceList): Promise<void> {
  await deleteOtherSessions(
    db,
    runs.map(({ chargerId, startUs, resyncedUs, startedUs }) => {
      return { chargerId, fromUs: startUs, toUs: resyncedUs, startedUs }
    })
  )
  await upsertSessions(
    db,
    runs.flatMap(({ marks, sessions }) => sessions.map(session => derived(marks, session, prices)))
  )
  await upsertStates(
    db,
    runs.flatMap(({ midnights }) => midnights)
  )
  await upsertHeads(
    db,
    runs.flatMap(run => (run.head && run.tip ? [{ chargerId: run.chargerId, head: run.head, tip: run.tip }] : []))
  )
}

function derived(marks: ChargerMarks, session: Session, prices: PriceList): DerivedSession {
  const { chargerId, name } = marks
  const isOpen = session.endedUs === null
  const cost = isOpen ? undefined : prices.costOf(marks, session.startedUs / 1000, curveMilliWh(session))
  return { chargerId, charger: name, session, cost }
}

/** One charger and one range: from the newest mark before it to where nothing is different any more. */
class Run {
  readonly marks: ChargerMarks
  readonly startUs: number | undefined
  /** Where what it knew is what was known before. */
  resyncedUs: number | undefined
  readonly midnights: ChargerMark[] = []
  head: Mark | undefined
  tip: Mark | undefined
  isDone = false
  /** Of the rows that are read next. */
  fromUs: number
  readonly toUs: number
  readonly #course: Course
  readonly #sessions = new Map<number, Session>()
  readonly #standing = new Set<number>()
  /** The rows of the range end here; and after here it may be found that nothing is different. */
  readonly #changedToUs: number
  readonly #headUs: number

  constructor(marks: ChargerMarks, fromUs: number, toUs: number, rawFromUs: number) {
    const start = startOf(marks, fromUs, rawFromUs)
    this.marks = marks
    // Without a mark it begins with the first row that is left.
    this.startUs = start?.atUs ?? (Number.isFinite(rawFromUs) ? rawFromUs : undefined)
    this.#course = new Course(session => this.#sessions.set(session.startedUs, session), start?.state)
    for (const session of this.#course.unsettled) this.#sessions.set(session.startedUs, session)
    this.fromUs = this.startUs ?? earliestUs
    this.toUs = Math.max(toUs, marks.tip?.atUs ?? 0)
    this.#changedToUs = toUs
    this.#headUs = Math.max(fromUs, marks.head?.atUs ?? 0, this.startUs ?? 0)
  }

  get chargerId(): number {
    return this.marks.chargerId
  }

  /** Beginnings of all that there are, decided by its rows. */
  get startedUs(): readonly number[] {
    return [...this.#sessions.keys()]
  }

  /** Those to be written. */
  get sessions(): readonly Session[] {
    return [...this.#sessions.values()].filter(({ startedUs }) => !this.#standing.has(startedUs))
  }

  /** The next rows; fewer than `limit` are the last. */
  take(rows: readonly SessionRow[], limit: number): void {
    for (const row of rows) {
      if (this.#passes(row.timeUs)) return
      this.#course.take(row)
      this.fromUs = row.timeUs + 1
    }
    if (rows.length < limit) this.#end()
  }

  /**
   * Notes what is known at each mark before the next row. True where that is what was known there before: the rest
   * stands.
   */
  #passes(nextUs: number): boolean {
    const { newestUs } = this.#course
    const midnightUs = newestUs === null ? Infinity : (Math.floor(newestUs / dayUs) + 1) * dayUs
    const stops = [midnightUs, this.#headUs].filter(stopUs => stopUs <= nextUs).sort((a, b) => a - b)
    for (const atUs of stops) {
      const isHead = atUs === this.#headUs
      if ((isHead && this.head !== undefined) || atUs < (this.startUs ?? 0)) continue
      const mark = { atUs, state: this.#course.store() }
      if (atUs >= this.#changedToUs && this.#was(mark)) {
        this.#resync(atUs)
        return true
      }
      if (isHead) this.head = mark
      if (atUs === midnightUs) this.midnights.push({ chargerId: this.chargerId, ...mark })
    }
    return false
  }

  #was({ atUs, state }: Mark): boolean {
    const { after, head } = this.marks
    return [head, ...after].some(mark => mark?.atUs === atUs && mark.state === state)
  }

  /** What later rows may have changed is as they made it. */
  #resync(atUs: number): void {
    this.isDone = true
    this.resyncedUs = atUs
    this.head = undefined
    for (const { startedUs } of this.#course.unsettled) this.#standing.add(startedUs)
  }

  #end(): void {
    this.isDone = true
    const { newestUs, unsettled } = this.#course
    for (const session of unsettled) this.#sessions.set(session.startedUs, session)
    if (newestUs === null) return
    const state = this.#course.store()
    this.head ??= { atUs: this.#headUs, state }
    this.tip = { atUs: newestUs + 1, state }
  }
}

/** Before the first charger; raw rows are not older than the accept window. */
const earliestUs = Date.UTC(2000) * 1000

/**
 * The newest mark before the range. Raw rows may be gone since a head: then nothing before the tip is derived anew.
 * Since a midnight before the range there was no row but on the range's own day.
 */
function startOf({ head, tip, before }: ChargerMarks, fromUs: number, rawFromUs: number): Mark | undefined {
  const marks = [before, head, tip].filter(mark => mark !== undefined).sort((a, b) => a.atUs - b.atUs)
  const start = marks.findLast(({ atUs }) => atUs <= Math.max(fromUs, rawFromUs))
  return start === head && start !== undefined && start.atUs < rawFromUs ? tip : start
}
