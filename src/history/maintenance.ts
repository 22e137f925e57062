// Keeps what is derived from raw rows up to date: partitions ahead, quarter hours, sessions, and with a retention the end of old
// raw rows. One server at a time does it, under an advisory lock. A run that fails is told and tried again at the next turn:
// storing readings never waits for it, and the process never ends by it. Whatever a killed run left is done again.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { advisoryLocks } from '../model/advisoryLocks.ts'
import {
  acceptFutureMs,
  historyChangesMax,
  historyChangesMsMax,
  historyIntervalMs,
  historyStatementTimeoutMs,
  historyStepMs,
  unsettledMs
} from '../model/limits.ts'
import { kindOfQuarterHours, type QuarterHours, refreshQuarterHours } from './quarterHours.ts'
import { type ChargerRange, clipped, mergedByCharger } from './ranges.ts'
import { dropRawRows } from './retention.ts'

/**
 * Derives more from the raw rows of these ranges, in one transaction. It may be asked again for what it has derived already. Raw rows before `rawFromMs` (-Infinity: none) are gone: what was derived from them must stay.
 */
export type Derive = (db: pg.ClientBase, ranges: readonly ChargerRange[], rawFromMs: number) => Promise<void>

export interface MaintenanceOptions {
  readonly databaseUrl: string
  /** Its name in `history_state`. */
  readonly node: string
  /** Raw rows older than this are dropped; undefined = never. */
  readonly retentionMs: number | undefined
  readonly derive: readonly Derive[]
  readonly failed: (error: Error) => void
  /** While true it works a tenth of the time. */
  readonly isBusy?: () => boolean
}

export interface MaintenanceRun {
  readonly endedAtMs: number
  readonly tookMs: number
  /** Undefined = it did what there was to do. */
  readonly failure: string | undefined
}

export class Maintenance {
  readonly #options: MaintenanceOptions
  #last: MaintenanceRun | undefined
  #succeededAtMs: number | undefined
  #db: pg.Client | undefined
  #running: Promise<void> | undefined
  #turnStartedMs = 0
  #rangesAtOnce = rangesAtOnceFirst
  #stopped = false

  constructor(options: MaintenanceOptions) {
    this.#options = options
  }

  /** The newest run of this server; undefined while another server does it, or before the first. */
  get last(): MaintenanceRun | undefined {
    return this.#last
  }

  /** When a run of this server last did all that there was to do; undefined before the first. */
  get succeededAtMs(): number | undefined {
    return this.#succeededAtMs
  }

  /** Takes a turn now, and from then on at its interval; `ended` after each. Returns how to stop: a run under way is cut off. */
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
    this.#last = { endedAtMs: Date.now(), tookMs, failure: failure?.message }
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
      failure?.message
    ])
  }

  async #turn(db: pg.Client): Promise<void> {
    // Else a server that was cut off keeps the lock for as long as its last statement takes.
    await db.query("SET timezone = 'UTC'; SET client_connection_check_interval = '2s'")
    await db.query(partitionsAhead)
    const kind = await kindOfQuarterHours(db)
    const nowMs = await this.#deriveNew(db, kind)
    await this.#deriveChanged(db, kind, nowMs)
    if (this.#options.retentionMs !== undefined && !this.#stopped)
      await dropRawRows(db, nowMs - this.#options.retentionMs)
  }

  /** From where the last run ended until now, in steps; returns the database's time of the last step. */
  async #deriveNew(db: pg.Client, kind: QuarterHours): Promise<number> {
    for (;;) {
      const { nowMs, rawFromMs, derivedToMs } = await readState(db)
      const fromMs = derivedToMs ?? Math.min(nowMs, await oldestRawMs(db, rawFromMs))
      const isLast = fromMs + historyStepMs >= nowMs
      const toMs = isLast ? nowMs : fromMs + historyStepMs
      const [window] = clipped(
        [{ fromMs: fromMs - unsettledMs, toMs: isLast ? toMs + acceptFutureMs + clockSkewMs : toMs }],
        rawFromMs
      )
      const chargers = window ? await chargersWithin(db, window.fromMs, window.toMs) : []
      const ranges = chargers.map(chargerId => ({ chargerId, ...window! }))
      // Days without a row are passed over at once.
      const doneMs = isLast || ranges.length > 0 ? toMs : Math.min(nowMs, await oldestRawMs(db, toMs))
      await this.#deriveAll(db, kind, ranges, rawFromMs, nowMs, () =>
        db.query('UPDATE history_state SET derived_to = $1', [new Date(doneMs)])
      )
      if (isLast || this.#stopped) return nowMs
    }
  }

  /** What late rows have changed. */
  async #deriveChanged(db: pg.Client, kind: QuarterHours, nowMs: number): Promise<void> {
    // In the midst of more than can be derived, what is new has its turn, too.
    const untilMs = performance.now() + historyChangesMsMax
    while (!this.#stopped && performance.now() < untilMs) {
      const { rows } = await db.query<{ id: string; charger_id: number; from_time: Date; to_time: Date }>(
        'SELECT id, charger_id, from_time, to_time FROM history_changes ORDER BY id LIMIT $1',
        [historyChangesMax]
      )
      if (rows.length === 0) return
      const { rawFromMs } = await readState(db)
      const noted = rows.map(({ charger_id, from_time, to_time }) => ({
        chargerId: charger_id,
        fromMs: from_time.getTime(),
        toMs: to_time.getTime() + 1 // a time has microseconds, a Date has not
      }))
      const ranges = clipped(mergedByCharger(noted, unsettledMs), rawFromMs)
      await this.#deriveAll(db, kind, ranges, rawFromMs, nowMs, () =>
        db.query('DELETE FROM history_changes WHERE id = ANY ($1)', [rows.map(({ id }) => id)])
      )
    }
  }

  /** Some chargers at a time, so that a step is short; after a crash all of it is done again. */
  async #deriveAll(
    db: pg.Client,
    kind: QuarterHours,
    ranges: readonly ChargerRange[],
    rawFromMs: number,
    nowMs: number,
    settle: () => Promise<unknown>
  ): Promise<void> {
    // All chargers lie in one aggregate.
    if (kind === 'continuous aggregate') await this.#step(() => refreshQuarterHours(db, kind, ranges, nowMs))
    for (let done = 0; done < ranges.length && !this.#stopped; ) {
      const some = ranges.slice(done, done + this.#rangesAtOnce)
      const tookMs = await this.#step(async () => {
        if (kind === 'table') await refreshQuarterHours(db, kind, some, nowMs)
        await db.query('BEGIN')
        for (const derive of this.#options.derive) await derive(db, some, rawFromMs)
        await db.query('COMMIT')
      })
      done += some.length
      if (tookMs < stepMsMin) this.#rangesAtOnce = Math.min(this.#rangesAtOnce * 2, rangesAtOnceMax)
      else if (tookMs > stepMsMax) this.#rangesAtOnce = Math.max(1, this.#rangesAtOnce >> 1)
    }
    if (!this.#stopped) await settle()
  }

  /** Afterwards who stores has the rest of the time, unless this turn has lasted long already: it must come to an end. */
  async #step(work: () => Promise<void>): Promise<number> {
    const startedMs = performance.now()
    await work()
    const endedMs = performance.now()
    const tookMs = endedMs - startedMs
    const untilMs = Math.min(endedMs + tookMs * pausePerWork, this.#turnStartedMs + patientMs)
    while (!this.#stopped && this.#options.isBusy?.() && performance.now() < untilMs) await sleep(pauseLookMs)
    return tookMs
  }
}

/** While the server is busy: so many times as long as the work. */
const pausePerWork = 9
const patientMs = 5 * 60_000
const pauseLookMs = 100
/** A step that takes less, or more, is followed by a larger, or a smaller one. */
const stepMsMin = 100
const stepMsMax = 400
const rangesAtOnceFirst = 4
const rangesAtOnceMax = 500

/** A server's clock may be so far from the database's. */
const clockSkewMs = 60_000

const partitionsAhead = `SELECT ensure_ev_readings_partitions(
  (now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 7)`

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
