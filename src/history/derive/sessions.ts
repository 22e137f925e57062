// Derives charging sessions from raw rows and stores them. The same rows give the same sessions, in whatever order the
// rows came and however often they are derived. Sessions that did not change are not written. A derivation continues
// from the state stored at the start of its range. It ends as soon as its state equals the stored state. So late rows
// cost only the time that they touch, and a day on each side. Sessions before the remaining raw rows are never derived
// again.

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
/** The number of chargers that are derived at once, and the number of rows that are read at once for all of them. */
const chargersMax = 500
const rowsMax = 50_000

/**
 * Runs in the caller's transaction. After a row is committed, some call must have a range that contains the row. Rows
 * before `rawFromMs` are dropped.
 */
export async function deriveSessions(db: Db, ranges: readonly ChargerRange[], rawFromMs = -Infinity): Promise<void> {
  const prices = await readPriceList(db)
  for (const round of roundsOf(ranges)) {
    for (let i = 0; i < round.length; i += chargersMax) {
      await deriveOf(db, round.slice(i, i + chargersMax), rawFromMs * 1000, prices)
    }
  }
}

/** Each round has at most one range of a charger. The ranges of a charger come in time order. */
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

/** Stores the marks last. After a crash in between, the sessions are derived again. */
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

/**
 * One charger and one range. A run goes from the newest mark before the range to the time from which nothing differs.
 */
class Run {
  readonly marks: ChargerMarks
  readonly startUs: number | undefined
  /** The time at which the state equals the state that was stored before. */
  resyncedUs: number | undefined
  readonly midnights: ChargerMark[] = []
  head: Mark | undefined
  tip: Mark | undefined
  isDone = false
  /** The start of the rows that are read next. */
  fromUs: number
  readonly toUs: number
  readonly #course: Course
  readonly #sessions = new Map<number, Session>()
  readonly #standing = new Set<number>()
  /** The end of the rows of the range. From here on, the run may find that nothing differs. */
  readonly #changedToUs: number
  readonly #headUs: number

  constructor(marks: ChargerMarks, fromUs: number, toUs: number, rawFromUs: number) {
    const start = startOf(marks, fromUs, rawFromUs)
    this.marks = marks
    // Without a mark the run begins with the first row that is left.
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

  /** The starts of all sessions that the rows of the run decided. */
  get startedUs(): readonly number[] {
    return [...this.#sessions.keys()]
  }

  /** The sessions to write. */
  get sessions(): readonly Session[] {
    return [...this.#sessions.values()].filter(({ startedUs }) => !this.#standing.has(startedUs))
  }

  /** Takes the next rows. Fewer rows than `limit` are the last ones. */
  take(rows: readonly SessionRow[], limit: number): void {
    for (const row of rows) {
      if (this.#passes(row.timeUs)) return
      this.#course.take(row)
      this.fromUs = row.timeUs + 1
    }
    if (rows.length < limit) this.#end()
  }

  /**
   * Notes the state at each mark before the next row. True if the state equals the stored state. Then everything after
   * the mark stays as it is.
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

  /** The sessions that later rows may change stay as these rows made them. */
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

/** A time before the first charger. Raw rows are not older than the accept window. */
const earliestUs = Date.UTC(2000) * 1000

/**
 * The newest mark before the range. If raw rows may have been dropped since a head, nothing before the tip is derived
 * again. Between the newest midnight mark and the range there are only rows of the range's own day.
 */
function startOf({ head, tip, before }: ChargerMarks, fromUs: number, rawFromUs: number): Mark | undefined {
  const marks = [before, head, tip].filter(mark => mark !== undefined).sort((a, b) => a.atUs - b.atUs)
  const start = marks.findLast(({ atUs }) => atUs <= Math.max(fromUs, rawFromUs))
  return start === head && start !== undefined && start.atUs < rawFromUs ? tip : start
}
