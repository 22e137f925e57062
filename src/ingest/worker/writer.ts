// The worker's side of a lane: it decodes, copies and commits a batch, and returns the outcome of each message. It
// returns plain data and never throws across threads, because errors lose their class there. A batch may come again
// after a connection or a thread has died. Storing a batch twice changes nothing.

import { workerData } from 'node:worker_threads'
import { Client } from 'pg'
import type { RejectCode } from '../../model/errors.ts'
import { payloadOf } from '../../model/server/admission.ts'
import type { AcceptWindow } from '../../model/wire/envelope.ts'
import { Records } from '../batch.ts'
import { type BatchKept, committed, kept, late, rejected, type WorkerResult } from '../outcome.ts'
import { sqlState, verdictOf } from '../retry.ts'
import * as sql from './copy.ts'
import { type Decoded, decode, type Reject, type Status } from './decode.ts'
import { historyChanges } from './historyChanges.ts'
import { freshMs, ingestAttemptTimeoutMs, ingestStatementTimeoutMs } from './limits.ts'
import type { Row } from './row.ts'
import { type Topic, Topics } from './topics.ts'

export interface BatchTask {
  readonly id: string
  readonly packed: ArrayBuffer
  readonly identities: readonly string[]
  readonly receivedAtMs: number
  readonly window: AcceptWindow
  /** Rows before this time may lie in compressed chunks. */
  readonly lateBeforeUs: number
  /** The numbers of the identities whose messages the late lane stores. Undefined in the late lane itself. */
  readonly lateIdentities: readonly number[] | undefined
}

export interface WriterOptions {
  readonly databaseUrl: string
}

class Writer {
  readonly #options: WriterOptions
  readonly #chargerIds = new Map<string, number>()
  readonly #topics = new Topics()
  #db: Client | undefined

  constructor(options: WriterOptions) {
    this.#options = options
  }

  async write(task: BatchTask): Promise<WorkerResult | BatchKept> {
    // The database's own time limits do not help when the database has vanished.
    const deadline = setTimeout(() => this.#disconnect(), ingestAttemptTimeoutMs)
    try {
      const decoded = decode(task.packed, task.window, task, this.#topics)
      const db = await this.#connection()
      await this.#assignChargerIds(db, decoded)
      const rejects = await store(db, task, decoded)
      return resultOf(decoded, rejects, this.#topics)
    } catch (error) {
      // The connection may be in any state, so the next attempt starts with a new one.
      this.#disconnect()
      return { retry: { code: sqlState(error) ?? 'unavailable', message: (error as Error).message } }
    } finally {
      clearTimeout(deadline)
    }
  }

  async #connection(): Promise<Client> {
    if (this.#db !== undefined) return this.#db
    const db = new Client({
      connectionString: this.#options.databaseUrl,
      application_name: 'chargelift ingest',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000
    })
    this.#db = db // set early, so that a failed set-up is ended like any other attempt
    // Without a listener, a dying database ends the process. The pending query reports the error.
    db.on('error', () => this.#forget(db))
    db.on('end', () => this.#forget(db))
    await db.connect()
    await db.query(sql.sessionSettings(ingestStatementTimeoutMs))
    // The database may have been restored from a backup. Then an id may belong to another charger.
    this.#chargerIds.clear()
    return db
  }

  #forget(db: Client): void {
    if (this.#db === db) this.#db = undefined
  }

  #disconnect(): void {
    const db = this.#db
    this.#db = undefined
    // Not awaited, because the database may be gone. While a query runs, end() destroys the socket at once.
    db?.end().catch(() => {})
  }

  /** Uses statements of its own, so that an id is remembered only when its charger is committed. */
  async #assignChargerIds(db: Client, { rows, statuses }: Decoded): Promise<void> {
    const missing = new Set<string>()
    for (const { charger } of rows) if (!this.#chargerIds.has(charger)) missing.add(charger)
    for (const { charger } of statuses) if (!this.#chargerIds.has(charger)) missing.add(charger)
    if (missing.size > 0) await this.#findOrMakeChargers(db, [...missing].sort())
    for (const item of rows) item.chargerId = this.#chargerIds.get(item.charger)!
    for (const item of statuses) item.chargerId = this.#chargerIds.get(item.charger)!
  }

  async #findOrMakeChargers(db: Client, names: readonly string[]): Promise<void> {
    let ids = await sql.selectChargerIds(db, names)
    const unknown = names.filter(name => !ids.has(name))
    if (unknown.length > 0) {
      await sql.insertChargers(db, unknown)
      ids = await sql.selectChargerIds(db, names)
    }
    for (const [name, id] of ids) this.#chargerIds.set(name, id)
  }
}

/**
 * How the rows are stored. `copy` expects that no row is stored yet, `merge` that some rows are stored, and `bisect`
 * that some rows cannot be stored.
 */
type Way = 'copy' | 'merge' | 'bisect'

/** Stores the batch in one transaction, and returns all its rejects. Throws errors that must be retried. */
async function store(db: Client, task: BatchTask, decoded: Decoded): Promise<Reject[]> {
  decoded.rows.sort((a, b) => a.chargerId - b.chargerId || a.timeUs - b.timeUs)
  for (let way: Way = 'copy'; ; ) {
    try {
      return await attempt(db, task, decoded, way)
    } catch (error) {
      const verdict = verdictOf(error)
      if (verdict === 'retry' || way === 'bisect') throw error
      way = verdict === 'duplicate' && way === 'copy' ? 'merge' : 'bisect'
      await db.query('ROLLBACK')
      for (const row of decoded.rows) row.stored = undefined
    }
  }
}

async function attempt(db: Client, task: BatchTask, decoded: Decoded, way: Way): Promise<Reject[]> {
  const merging = way === 'copy' ? decoded.rows.filter(({ dup }) => dup) : decoded.rows
  const copying = way === 'copy' ? decoded.rows.filter(({ dup }) => !dup) : []
  const statuses = newestStatuses(decoded.statuses)
  const changes = historyChanges(decoded.rows, (Date.now() - freshMs) * 1000)
  if (merging.length === 0 && statuses.length === 0 && changes.length === 0 && allRejects(decoded, way).length === 0) {
    // The common case: a COPY alone is a transaction of its own.
    if (copying.length > 0) await sql.copyReadings(db, copying)
    return []
  }
  await db.query('BEGIN')
  if (copying.length > 0) await sql.copyReadings(db, copying)
  if (merging.length > 0) await (way === 'bisect' ? bisect(db, merging) : merge(db, merging))
  if (statuses.length > 0)
    await (way === 'bisect' ? storeEachStatus(db, decoded, statuses) : sql.upsertStatuses(db, statuses))
  if (changes.length > 0) await sql.insertHistoryChanges(db, changes)
  const rejects = allRejects(decoded, way)
  if (rejects.length > 0) {
    const messages = rejectedMessages(task, rejects)
    await (way === 'bisect' ? storeEachReject(db, task, messages) : storeRejects(db, task, messages))
  }
  await db.query('COMMIT')
  return rejects
}

/**
 * The value that was committed first wins. Afterwards each row holds the stored values, so that a differing message is
 * a conflict.
 */
async function merge(db: Client, rows: readonly Row[]): Promise<void> {
  await sql.stageReadings(db, rows)
  await sql.mergeStaged(db)
  const stored = await sql.selectStaged(db, rows)
  rows.forEach((row, ordinal) => {
    row.stored = stored.get(ordinal)!.map(value => value ?? undefined)
  })
}

/** Merges the rows in halves, each under a savepoint, until every row that the database refuses is alone. */
async function bisect(db: Client, rows: readonly Row[]): Promise<void> {
  const reason = await refusalOf(db, () => merge(db, rows))
  if (reason === undefined) return
  if (rows.length === 1) {
    rows[0]!.refusal = { code: 'database_error', reason }
    return
  }
  const middle = rows.length >> 1
  await bisect(db, rows.slice(0, middle))
  await bisect(db, rows.slice(middle))
}

/**
 * Does `work` under a savepoint. Returns why the database refused its data, or undefined. Throws errors that must be
 * retried.
 */
async function refusalOf(db: Client, work: () => Promise<void>): Promise<string | undefined> {
  await db.query('SAVEPOINT part')
  try {
    await work()
    await db.query('RELEASE SAVEPOINT part')
    return undefined
  } catch (error) {
    if (verdictOf(error) === 'retry') throw error
    await db.query('ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part')
    return `SQLSTATE ${sqlState(error)}: ${(error as Error).message}`
  }
}

/** Stores each status alone. A status that the database refuses is rejected like a row. */
async function storeEachStatus(db: Client, decoded: Decoded, statuses: readonly Status[]): Promise<void> {
  for (const status of statuses) {
    const reason = await refusalOf(db, () => sql.upsertStatuses(db, [status]))
    if (reason !== undefined) decoded.rejects.push({ index: status.index, code: 'database_error', reason })
  }
}

const storeRejects = (
  db: Client,
  { id, receivedAtMs }: BatchTask,
  messages: readonly sql.RejectedMessage[]
): Promise<void> => sql.insertRejected(db, id, receivedAtMs, messages)

/**
 * Stores each reject alone. If a constraint of the operator refuses a reject, the reject is stored without its texts,
 * so that it does not stop the lane.
 */
async function storeEachReject(db: Client, task: BatchTask, messages: readonly sql.RejectedMessage[]): Promise<void> {
  for (const message of messages) {
    const refusal = await refusalOf(db, () => storeRejects(db, task, [message]))
    if (refusal === undefined) continue
    const reason = `${message.code}; the topic is left out, because the database refused it with ${refusal}`
    await storeRejects(db, task, [{ ...message, topic: '', code: 'database_error', reason }])
  }
}

function newestStatuses(statuses: readonly Status[]): Status[] {
  const newest = new Map<number, Status>()
  for (const status of statuses) {
    const known = newest.get(status.chargerId)
    if (known === undefined || status.timeUs > known.timeUs) newest.set(status.chargerId, status)
  }
  return [...newest.values()].sort((a, b) => a.chargerId - b.chargerId)
}

/** All rejects: by decoding, by the database, and for values that differ from the stored value. */
function allRejects(decoded: Decoded, way: Way): Reject[] {
  const { messages, rejects } = decoded
  const all = [...rejects]
  if (way === 'copy' && !messages.disputed && decoded.rows.every(({ stored }) => stored === undefined)) return all
  for (let i = 0; i < messages.length; i++) {
    const { refusal, stored, values } = messages.rows[i]!
    const index = messages.indices[i]!
    const first = (stored ?? values)[messages.topics[i]!.column!]
    if (refusal !== undefined) all.push({ index, ...refusal })
    else if (first !== messages.values[i]) {
      const reason = `expected the value committed first for this SamplingTime, ${first}, found ${messages.values[i]}`
      all.push({ index, code: 'conflict', reason })
    }
  }
  return all
}

function rejectedMessages(task: BatchTask, rejects: readonly Reject[]): sql.RejectedMessage[] {
  const byIndex = new Map(rejects.map(reject => [reject.index, reject]))
  const messages: sql.RejectedMessage[] = []
  for (const records = new Records(task.packed); records.next(); ) {
    const reject = byIndex.get(records.index)
    if (reject === undefined) continue
    const { topic, payload, identity } = records
    messages.push({ ...reject, topic, payload, identity: task.identities[identity]! })
  }
  return messages
}

function resultOf(decoded: Decoded, rejects: readonly Reject[], topics: Topics): WorkerResult {
  const outcomes = new Uint8Array(decoded.count).fill(kept)
  const rejectedByCode: Partial<Record<RejectCode, number>> = {}
  for (const index of decoded.messages.indices) outcomes[index] = committed
  for (const { index } of decoded.statuses) outcomes[index] = committed
  for (const index of decoded.late) outcomes[index] = late
  for (const { index, code } of rejects) {
    outcomes[index] = rejected
    rejectedByCode[code] = (rejectedByCode[code] ?? 0) + 1
  }
  return {
    outcomes,
    rejectedByCode,
    newest: newestOf(decoded, outcomes, topics),
    lateIdentities: [...decoded.lateIdentities],
    rows: decoded.rows.length
  }
}

/** The newest committed value of each topic. Of several values with the same time, the first one. */
function newestOf({ messages, statuses }: Decoded, outcomes: Uint8Array, topics: Topics): WorkerResult['newest'] {
  const found: Topic[] = []
  for (let i = 0; i < messages.length; i++) {
    if (outcomes[messages.indices[i]!] !== committed) continue
    const topic = messages.topics[i]!
    const { timeUs } = messages.rows[i]!
    if (timeUs <= topic.newestUs) continue
    if (topic.newestAt < 0) found.push(topic)
    topic.newestUs = timeUs
    topic.newestAt = i
  }
  const timesUs = found.map(({ newestUs }) => newestUs)
  const payloads = found.map(({ newestUs, newestAt }) =>
    payloadOf({ timeUs: newestUs, value: messages.values[newestAt]! })
  )
  for (const topic of found) topic.forgetNewest()
  const newestStatus = newestStatuses(statuses.filter(({ index }) => outcomes[index] === committed))
  return {
    topics: topics.tell([...found, ...newestStatus.map(({ topic }) => topics.named(topic))]),
    timesUs: Float64Array.from([...timesUs, ...newestStatus.map(({ timeUs }) => timeUs)]),
    payloads: [...payloads, ...newestStatus.map(({ payload }) => payload)]
  }
}

const writer = new Writer(workerData as WriterOptions)
export const write = (task: BatchTask): Promise<WorkerResult | BatchKept> => writer.write(task)
