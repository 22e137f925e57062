// Keeps what is derived from raw rows up to date: partitions ahead, quarter hours, sessions, and with a retention the
// end of old raw rows. One server at a time does it, under an advisory lock. A run that fails is told and tried again
// at the next turn: storing readings never waits for it, and the process never ends by it. Whatever a killed run left
// is done again. A charger whose data makes it fail keeps no other one from its history: its ranges stay noted, and are
// tried again later.

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
 * Derives more from the raw rows of these ranges, in one transaction. It may be asked again for what it has derived
 * already. Raw rows before `rawFromMs` (-Infinity: none) are gone: what was derived from them must stay.
 */
export type Derive = (db: pg.ClientBase, ranges: readonly ChargerRange[], rawFromMs: number) => Promise<void>

export interface MaintenanceOptions {
  readonly databaseUrl: string
  /** Its name in `history_state`. */
  readonly node: string
  /** Raw rows older than this are dropped; undefined = never. */
  readonly retentionMs: number | undefined
  readonly derive: readonly Derive[]
  /** Of a run, each time; or of one charger (its name), once until it is mended. */
  readonly failed: (error: Error, charger?: string) => void
  /** While true it works a tenth of the time. */
  readonly isBusy?: () => boolean
  /** In ms; decides when a charger that failed is tried again. */
  readonly now?: () => number
}

export interface MaintenanceRun {
  readonly endedAtMs: number
  readonly tookMs: number
  /** Undefined = it did what there was to do, but for those that fail. */
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

  /** The newest run of this server; undefined while another server does it, or before the first. */
  get last(): MaintenanceRun | undefined {
    return this.#last
  }

  /** When a run of this server last did not fail; undefined before the first. */
  get succeededAtMs(): number | undefined {
    return this.#succeededAtMs
  }

  /**
   * Takes a turn now, and from then on at its interval; `ended` after each. Returns how to stop: a run under way is cut
   * off.
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

  /** One turn. False when another server has it. Never throws: failures are told, and are in `last`. */
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
    db.on('error', () => {}) // the pending query reports it
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

  /** For `chargelift db status`, whichever server did it. */
  async #note(db: pg.Client, startedMs: number, failure: Error | undefined): Promise<void> {
    await db.query('ROLLBACK') // the failed transaction, if there is one
    await db.query('UPDATE history_state SET ran_at = now(), took_ms = $1, node = $2, failure = $3', [
      Math.round(performance.now() - startedMs),
      this.#options.node,
      failure?.message ?? summaryOf(this.#failing.all)
    ])
  }

  async #turn(db: pg.Client): Promise<void> {
    // Else a server that was cut off keeps the lock for as long as its last statement takes.
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
   * From where the last run ended until now, in steps; returns the database's time of the last step. Who fails does not
   * hold it up: what it passes over is noted.
   */
  async #deriveNew(db: pg.Client, kind: QuarterHours): Promise<number> {
    for (;;) {
      const { nowMs, rawFromMs, derivedToMs } = await readState(db)
      const fromMs = derivedToMs ?? Math.min(nowMs, await oldestRawMs(db, rawFromMs))
      const { toMs, isLast, window } = stepFrom(fromMs, nowMs, rawFromMs)
      const chargers = window ? await chargersWithin(db, window.fromMs, window.toMs) : []
      const ranges = chargers.map(chargerId => ({ chargerId, ...window! }))
      // Days without a row are passed over at once.
      const doneMs = isLast || ranges.length > 0 ? toMs : Math.min(nowMs, await oldestRawMs(db, toMs))
      const failing = ranges.filter(({ chargerId }) => this.#failing.has(chargerId))
      const sound = ranges.filter(({ chargerId }) => !this.#failing.has(chargerId))
      const failed = await this.#deriveAll(db, kind, sound, rawFromMs, nowMs)
      if (this.#stopped) return nowMs
      await noteChanges(db, [...failing, ...failed]) // first: after a crash between it is derived twice
      await db.query('UPDATE history_state SET derived_to = $1', [new Date(doneMs)])
      if (isLast) return nowMs
    }
  }

  /** What late rows have changed, and what failed an hour ago. */
  async #deriveChanged(db: pg.Client, kind: QuarterHours, nowMs: number): Promise<void> {
    // In the midst of more than can be derived, what is new has its turn, too.
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

  /** Of whom nothing is noted any more, this server or another one has derived it all. */
  async #forgetMended(db: pg.Client): Promise<void> {
    const { ids } = this.#failing
    if (ids.length > 0 && !this.#stopped) this.#failing.keepOnly(await chargersWithChanges(db, ids))
  }

  /**
   * Some chargers at a time, so that a step is short; after a crash all of it is done again. Returns the ranges that
   * failed by their data.
   */
  async #deriveAll(
    db: pg.Client,
    kind: QuarterHours,
    ranges: readonly ChargerRange[],
    rawFromMs: number,
    nowMs: number
  ): Promise<readonly ChargerRange[]> {
    const failed: ChargerRange[] = []
    // All chargers lie in one aggregate.
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
   * What fails by its data is halved until the charger at fault stands alone: its ranges are returned, the others are
   * derived.
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
   * Afterwards who stores has the rest of the time, unless this turn has lasted long already: it must come to an end.
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

/** A pause looks this often whether the server is still busy. */
const pauseLookMs = 100

const partitionsAhead = `SELECT ensure_ev_readings_partitions(
  (now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 7)`

/**
 * Throws every other error: it is not for the data of a charger, but for the database, the connection or the schema.
 */
async function undoDataError(db: pg.Client, error: unknown): Promise<void> {
  if (!isDataError(error)) throw error
  // Errors of ours and of a broken connection look alike; but one that still answers is not broken.
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

/** Of the rows from `fromMs` on; Infinity = there is none. */
async function oldestRawMs(db: pg.Client, fromMs: number): Promise<number> {
  const from = fromMs === -Infinity ? '-infinity' : new Date(fromMs).toISOString()
  const { rows } = await db.query<{ oldest: Date | null }>(
    `SELECT min(time) AS oldest FROM ev_readings WHERE time >= '${from}'`
  )
  return rows[0]!.oldest?.getTime() ?? Infinity
}

/** Who has rows there. The times are constants, so that the planner leaves out all other days. */
async function chargersWithin(db: pg.Client, fromMs: number, toMs: number): Promise<number[]> {
  const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()]
  const { rows } = await db.query<{ id: number }>(`
    SELECT id FROM chargers, LATERAL (
      SELECT FROM ev_readings WHERE charger_id = id AND time >= '${from}' AND time < '${to}' LIMIT 1) any_row
    ORDER BY id`)
  return rows.map(({ id }) => id)
}
