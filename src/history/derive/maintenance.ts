// Keeps the data that is derived from raw rows up to date: partitions for the next days, quarter hours, and sessions.
// With a retention it also drops old raw rows. One server at a time does this, under an advisory lock. A failed run is
// reported, and tried again at the next turn. Storing readings never waits for maintenance, and a failure never ends
// the process. Work that a killed run left unfinished is done again. A charger whose data makes it fail does not delay
// the history of other chargers. Its ranges stay noted, and are tried again later.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { advisoryLocks } from '../../model/server/advisoryLocks.ts'
import { chargersWithChanges, noteChanges, readChanges, settleChanges } from './changes.ts'
import { Failing, type FailingCharger, summaryOf } from './failing.ts'
import {
  historyChangesMsMax,
  historyFailingNamesMax,
  historyIntervalMs,
  historyStatementTimeoutMs,
  unsettledMs
} from './limits.ts'
import { kindOfQuarterHours, type QuarterHours, refreshQuarterHours } from './quarterHours.ts'
import { type ChargerRange, clipped, mergedByCharger } from './ranges.ts'
import { dropRawRows } from './retention.ts'
import { isDataError, pauseUntilMs, rangesAtOnceAfter, rangesAtOnceFirst, stepFrom } from './steps.ts'

/**
 * Derives more data from the raw rows of these ranges, in one transaction. It may be called again for ranges that it
 * has already derived. Raw rows before `rawFromMs` are dropped (-Infinity: none). The data that was derived from them
 * must stay.
 */
export type Derive = (db: pg.ClientBase, ranges: readonly ChargerRange[], rawFromMs: number) => Promise<void>

export interface MaintenanceOptions {
  readonly databaseUrl: string
  /** The name of this server in `history_state`. */
  readonly node: string
  /** Raw rows older than this are dropped. Undefined: never. */
  readonly retentionMs: number | undefined
  readonly derive: readonly Derive[]
  /**
   * Called for every run that fails. Called with the name of a charger when the charger fails, once until it is mended.
   */
  readonly failed: (error: Error, charger?: string) => void
  /** While it returns true, maintenance works a tenth of the time. */
  readonly isBusy?: () => boolean
  /** The time in ms. It decides when a failed charger is tried again. */
  readonly now?: () => number
}

export interface MaintenanceRun {
  readonly endedAtMs: number
  readonly tookMs: number
  /** Undefined: the run did all its work, except for the failing chargers. */
  readonly failure: string | undefined
  readonly failing: readonly FailingCharger[]
}

export class Maintenance {
  readonly #options: MaintenanceOptions
  readonly #now: () => number
  readonly #failing = new Failing()
  #last: MaintenanceRun | undefined
  #succeededAtMs: number | undefined
  #db: pg.Client | undefined
  #running: Promise<void> | undefined
  #turnStartedMs = 0
  #rangesAtOnce = rangesAtOnceFirst
  #stopped = false

  constructor(options: MaintenanceOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** The newest run of this server. Undefined before the first run, and while another server runs maintenance. */
  get last(): MaintenanceRun | undefined {
    return this.#last
  }

  /** When a run of this server last succeeded. Undefined before the first success. */
  get succeededAtMs(): number | undefined {
    return this.#succeededAtMs
  }

  /**
   * Takes a turn now, and then one at each interval. Calls `ended` after each turn. Returns a function that stops
   * maintenance and cuts off a current run.
   */
  start(ended: () => void): () => Promise<void> {
    const turn = (): void => {
      this.#running ??= this.run().then(() => {
        this.#running = undefined
        ended()
      })
    }
    turn()
    const timer = setInterval(turn, historyIntervalMs)
    return async () => {
      clearInterval(timer)
      this.#stopped = true
      this.#db?.end().catch(() => {})
      await this.#running
    }
  }

  /**
   * Takes one turn. False when another server holds the lock. Never throws: failures are reported, and are in `last`.
   */
  async run(): Promise<boolean> {
    const startedMs = performance.now()
    this.#turnStartedMs = startedMs
    const db = new pg.Client({
      connectionString: this.#options.databaseUrl,
      application_name: 'chargelift history',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      statement_timeout: historyStatementTimeoutMs
    })
    this.#db = db
    db.on('error', () => {}) // the pending query reports the error
    let failure: Error | undefined
    try {
      await db.connect()
      const { rows } = await db.query('SELECT pg_try_advisory_lock($1) AS mine', [advisoryLocks.maintenance])
      if (!rows[0].mine) {
        this.#last = undefined
        return false
      }
      failure = await this.#turn(db).then(
        () => undefined,
        error => error as Error
      )
      if (!this.#stopped) await this.#note(db, startedMs, failure)
    } catch (error) {
      failure ??= error as Error
    } finally {
      this.#db = undefined
      await db.end().catch(() => {})
    }
    if (this.#stopped) return true
    const tookMs = Math.round(performance.now() - startedMs)
    this.#last = { endedAtMs: Date.now(), tookMs, failure: failure?.message, failing: this.#failing.all }
    if (failure) this.#options.failed(failure)
    else this.#succeededAtMs = this.#last.endedAtMs
    return true
  }

  /** Stores the result of the run, so that `chargelift db status` shows it for any server. */
  async #note(db: pg.Client, startedMs: number, failure: Error | undefined): Promise<void> {
    await db.query('ROLLBACK') // ends the failed transaction, if there is one
    await db.query('UPDATE history_state SET ran_at = now(), took_ms = $1, node = $2, failure = $3', [
      Math.round(performance.now() - startedMs),
      this.#options.node,
      failure?.message ?? summaryOf(this.#failing.all)
    ])
  }

  async #turn(db: pg.Client): Promise<void> {
    // Without this setting, a server that was cut off keeps the lock until its last statement ends.
    await db.query("SET timezone = 'UTC'; SET client_connection_check_interval = '2s'")
    await db.query(partitionsAhead)
    const kind = await kindOfQuarterHours(db)
    const nowMs = await this.#deriveNew(db, kind)
    await this.#deriveChanged(db, kind, nowMs)
    await this.#forgetMended(db)
    if (this.#options.retentionMs !== undefined && !this.#stopped)
      await dropRawRows(db, nowMs - this.#options.retentionMs)
  }

  /**
   * Derives from the end of the last run until now, in steps. Returns the database's time at the last step. Failing
   * chargers do not delay the others: their ranges are noted.
   */
  async #deriveNew(db: pg.Client, kind: QuarterHours): Promise<number> {
    for (;;) {
      const { nowMs, rawFromMs, derivedToMs } = await readState(db)
      const fromMs = derivedToMs ?? Math.min(nowMs, await oldestRawMs(db, rawFromMs))
      const { toMs, isLast, window } = stepFrom(fromMs, nowMs, rawFromMs)
      const chargers = window ? await chargersWithin(db, window.fromMs, window.toMs) : []
      const ranges = chargers.map(chargerId => ({ chargerId, ...window! }))
      // Days without a row are skipped at once.
      const doneMs = isLast || ranges.length > 0 ? toMs : Math.min(nowMs, await oldestRawMs(db, toMs))
      const failing = ranges.filter(({ chargerId }) => this.#failing.has(chargerId))
      const sound = ranges.filter(({ chargerId }) => !this.#failing.has(chargerId))
      const failed = await this.#deriveAll(db, kind, sound, rawFromMs, nowMs)
      if (this.#stopped) return nowMs
      await noteChanges(db, [...failing, ...failed]) // noted first: a crash in between derives them twice
      await db.query('UPDATE history_state SET derived_to = $1', [new Date(doneMs)])
      if (isLast) return nowMs
    }
  }

  /** Derives the ranges that late rows have changed, and the ranges that failed an hour ago. */
  async #deriveChanged(db: pg.Client, kind: QuarterHours, nowMs: number): Promise<void> {
    // The time is limited, so that new rows have their turn even among more changes than can be derived.
    const untilMs = performance.now() + historyChangesMsMax
    while (!this.#stopped && performance.now() < untilMs) {
      const noted = await readChanges(db, this.#failing.restingAt(this.#now()))
      if (noted.ids.length === 0) return
      const { rawFromMs } = await readState(db)
      const ranges = clipped(mergedByCharger(noted.ranges, unsettledMs), rawFromMs)
      const failed = await this.#deriveAll(db, kind, ranges, rawFromMs, nowMs)
      if (!this.#stopped) await settleChanges(db, noted.ids, failed)
    }
  }

  /**
   * Forgets the failing chargers that have no noted changes. This server or another one has derived all their ranges.
   */
  async #forgetMended(db: pg.Client): Promise<void> {
    const { ids } = this.#failing
    if (ids.length > 0 && !this.#stopped) this.#failing.keepOnly(await chargersWithChanges(db, ids))
  }

  /**
   * Derives some chargers at a time, so that a step is short. After a crash all ranges are derived again. Returns the
   * ranges that failed because of their data.
   */
  async #deriveAll(
    db: pg.Client,
    kind: QuarterHours,
    ranges: readonly ChargerRange[],
    rawFromMs: number,
    nowMs: number
  ): Promise<readonly ChargerRange[]> {
    const failed: ChargerRange[] = []
    // One aggregate holds all chargers.
    if (kind === 'continuous aggregate') await this.#step(() => refreshQuarterHours(db, kind, ranges, nowMs))
    for (let done = 0; done < ranges.length && !this.#stopped; ) {
      const some = ranges.slice(done, done + this.#rangesAtOnce)
      const tookMs = await this.#step(async () => {
        failed.push(...(await this.#derive(db, kind, some, rawFromMs, nowMs)))
      })
      done += some.length
      this.#rangesAtOnce = rangesAtOnceAfter(tookMs, this.#rangesAtOnce)
    }
    return failed
  }

  /**
   * Derives the ranges. If their data makes them fail, they are halved until one charger is left. The ranges of this
   * charger are returned, and the others are derived.
   */
  async #derive(
    db: pg.Client,
    kind: QuarterHours,
    ranges: readonly ChargerRange[],
    rawFromMs: number,
    nowMs: number
  ): Promise<readonly ChargerRange[]> {
    try {
      if (kind === 'table') await refreshQuarterHours(db, kind, ranges, nowMs)
      await db.query('BEGIN')
      for (const derive of this.#options.derive) await derive(db, ranges, rawFromMs)
      await db.query('COMMIT')
      return []
    } catch (error) {
      await undoDataError(db, error)
      const { chargerId } = ranges[0]!
      if (ranges.every(range => range.chargerId === chargerId)) {
        await this.#fails(db, chargerId, error as Error)
        return ranges
      }
      const half = ranges.length >> 1
      const failed = await this.#derive(db, kind, ranges.slice(0, half), rawFromMs, nowMs)
      return [...failed, ...(await this.#derive(db, kind, ranges.slice(half), rawFromMs, nowMs))]
    }
  }

  async #fails(db: pg.Client, chargerId: number, error: Error): Promise<void> {
    const { rows } = await db.query<{ name: string }>('SELECT name FROM chargers WHERE id = $1', [chargerId])
    const charger = rows[0]?.name ?? String(chargerId)
    const isNews = !this.#failing.has(chargerId)
    this.#failing.add(chargerId, { charger, reason: error.message }, this.#now())
    if (isNews && this.#failing.ids.length <= historyFailingNamesMax) this.#options.failed(error, charger)
  }

  /**
   * Does one step, and returns its time in ms. While the server is busy storing, a pause follows. A turn that has
   * lasted long gets no pause, because it must come to an end.
   */
  async #step(work: () => Promise<void>): Promise<number> {
    const startedMs = performance.now()
    await work()
    const endedMs = performance.now()
    const untilMs = pauseUntilMs(startedMs, endedMs, this.#turnStartedMs)
    while (!this.#stopped && this.#options.isBusy?.() && performance.now() < untilMs) await sleep(pauseLookMs)
    return endedMs - startedMs
  }
}

/** How often a pause checks whether the server is still busy, in ms. */
const pauseLookMs = 100

const partitionsAhead = `SELECT ensure_ev_readings_partitions(
  (now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 7)`

/**
 * Undoes an error of a charger's data. Throws every other error: its cause is the database, the connection or the
 * schema.
 */
async function undoDataError(db: pg.Client, error: unknown): Promise<void> {
  if (!isDataError(error)) throw error
  // Our own errors look like errors of a broken connection. But a connection that still answers is not broken.
  await db.query('ROLLBACK').catch(() => {
    throw error
  })
}

interface State {
  readonly nowMs: number
  readonly rawFromMs: number
  readonly derivedToMs: number | undefined
}

async function readState(db: pg.Client): Promise<State> {
  const { rows } = await db.query<{ now: Date; raw_from: Date | number; derived_to: Date | null }>(
    'SELECT now() AS now, raw_from, derived_to FROM history_state'
  )
  const { now, raw_from, derived_to } = rows[0]!
  return { nowMs: now.getTime(), rawFromMs: Number(raw_from), derivedToMs: derived_to?.getTime() }
}

/** The oldest time of the rows from `fromMs` on, in ms. Infinity: there is no row. */
async function oldestRawMs(db: pg.Client, fromMs: number): Promise<number> {
  const from = fromMs === -Infinity ? '-infinity' : new Date(fromMs).toISOString()
  const { rows } = await db.query<{ oldest: Date | null }>(
    `SELECT min(time) AS oldest FROM ev_readings WHERE time >= '${from}'`
  )
  return rows[0]!.oldest?.getTime() ?? Infinity
}

/**
 * The ids of the chargers that have rows in this time. The times are constants, so that the planner leaves out all
 * other days.
 */
async function chargersWithin(db: pg.Client, fromMs: number, toMs: number): Promise<number[]> {
  const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()]
  const { rows } = await db.query<{ id: number }>(`
    SELECT id FROM chargers, LATERAL (
      SELECT FROM ev_readings WHERE charger_id = id AND time >= '${from}' AND time < '${to}' LIMIT 1) any_row
    ORDER BY id`)
  return rows.map(({ id }) => id)
}
