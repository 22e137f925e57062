// The edge's disk: every sample until the server has acknowledged it and two weeks longer, and per charger its last
// state and its energy. Promises: a sample and the state that it leads to are on disk together, or neither is (one
// transaction, one fsync); sequence numbers only rise; what was not settled is there after a crash; the file never
// outgrows its bound: when it is full room.ts says what goes. A damaged file is put aside, and what can be read of it
// goes on in a new one (quarantine.ts). A disk that cannot be written moves nothing.

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError, RetryableError } from '../../model/errors.ts'
import { makeRoomCountMax, replayCountMax, settledKeepMs, settledPurgeIntervalMs } from './limits.ts'
import { putAside, salvage } from './quarantine.ts'
import { makeRoom } from './room.ts'
import type { ChargerMemory, NewSample, SpooledSample, UndatedSample } from './samples.ts'
import { SpoolFile } from './spoolFile.ts'
import { insertSample, pullBack, sampleOf, shiftTotals, unsent } from './spoolRows.ts'
import { isBusy, isDamage, isDiskFault, isIoError } from './sqliteErrors.ts'
import { Thinner } from './thin.ts'

export type { ChargerMemory, NewSample, SpooledSample, UndatedSample }

export interface SpoolOptions {
  readonly path: string
  readonly maxBytes: number
  /**
   * Called when a damaged file was put aside, at the start or later, and `saved` of its unsettled samples taken over.
   */
  readonly onQuarantine?: (file: string, cause: unknown, saved: number) => void
  /**
   * Called when samples went unsent because the spool was full. With many appends in a row: report at a bounded rate.
   */
  readonly onDropped?: (samples: number) => void
  /**
   * Called when values were left out because the spool was full, by the rule of thin.ts. Report at a bounded rate too.
   */
  readonly onThinned?: (values: number) => void
  /**
   * Called once when the disk cannot be written, full or read-only; every append throws RetryableError until it can.
   */
  readonly onUnwritable?: (cause: unknown) => void
  /** Called once when it can be written again. */
  readonly onWritable?: () => void
  /** Wall clock, for the age of acknowledged samples. */
  readonly nowMs?: () => number
}

/** Opens the spool, or starts a new one in place of a damaged file. Throws ConfigError where that cannot be. */
export function openSpool(options: SpoolOptions): Spool {
  try {
    mkdirSync(dirname(options.path), { recursive: true })
    return new Spool(options)
  } catch (cause) {
    const expected = isBusy(cause) ? 'a file that no other edge uses' : 'a file that can be written'
    const found = `${options.path}: ${(cause as Error).message}`
    throw new ConfigError([{ path: 'spool.path', expected, found }], { cause })
  }
}

/** Enough to see past what was just acknowledged. */
const oldestAtOnce = 128

export class Spool {
  readonly #options: SpoolOptions
  /** Undefined only after reading failed: then it is opened anew. */
  #file: SpoolFile | undefined
  #thinner = new Thinner()
  /** Acknowledged since the last transaction. */
  #settled = new Set<number>()
  #newestSeq: number
  #purgedAtMs = Number.NEGATIVE_INFINITY
  #isUnwritable = false
  #isClosed = false

  constructor(options: SpoolOptions) {
    this.#options = options
    this.#file = this.#open(true)
    this.#newestSeq = this.#file.newestSeq()
  }

  /** The highest sequence number ever given. */
  get newestSeq(): number {
    return this.#newestSeq
  }

  /** Samples that went whole since the file began because the spool was full. */
  get dropped(): number {
    return this.#read(({ tally }) => tally.dropped)
  }

  /** Values left out since the file began because the spool was full. */
  get thinned(): number {
    return this.#read(({ tally }) => tally.thinned)
  }

  /** Samples without acknowledgement, held ones included. Counted, not looked up. */
  unsettledCount(): number {
    return this.#read(({ tally }) => Math.max(0, tally.backlog + tally.held - this.#settled.size))
  }

  /** When the unsettled sample that is first in line was taken, ms since the Unix epoch; held ones do not count. */
  oldestUnsettledMs(): number | undefined {
    return this.page(0, this.#newestSeq, oldestAtOnce)[0]?.timeMs
  }

  /** Bytes in use within the file, acknowledged samples included. */
  usedBytes(): number {
    return this.#read(file => file.usedBytes())
  }

  memoryOf(charger: string): ChargerMemory | undefined {
    return this.#read(file => file.memoryOf(charger)) as ChargerMemory | undefined
  }

  /**
   * Puts the sample, what the charger is like after it and all pending settlements on disk, in one transaction.
   * Returns the sample's sequence number; 0 for a held one, which gets its number with its time. When it throws nothing
   * has changed, and the caller's state must not move: RetryableError while the disk cannot be written.
   */
  append(sample: NewSample | UndatedSample, memory: ChargerMemory): number {
    const seq = this.#newestSeq + 1
    const { thinned, dropped } = this.#read(file => file.tally)
    const after = this.#write(file => {
      this.#purge(file)
      makeRoom(file, this.#thinner, this.#options.maxBytes, this.#newestSeq)
      insertSample(file, seq, sample)
      file.putMemory(sample.charger, memory)
      return file.tally
    })
    if (!('undated' in sample)) this.#newestSeq = seq
    if (after.thinned > thinned) this.#options.onThinned?.(after.thinned - thinned)
    if (after.dropped > dropped) this.#options.onDropped?.(after.dropped - dropped)
    return 'undated' in sample ? 0 : seq
  }

  /**
   * Unsettled samples after `afterSeq`, up to and including `throughSeq`, oldest first: none only where there are no
   * more. Held ones are not among them.
   */
  page(afterSeq: number, throughSeq: number, limit: number): SpooledSample[] {
    return this.#read(file => {
      for (let after = afterSeq; ; ) {
        const rows = file.rows('backlog', after, throughSeq, limit)
        // What was acknowledged and is not written yet must not be sent again.
        const open = rows.filter(({ seq }) => !this.#settled.has(seq))
        if (open.length > 0 || rows.length < limit) return open.map(sampleOf)
        after = rows.at(-1)!.seq
      }
    })
  }

  /** The server has this sample. Written with the next append or flush. */
  settle(seq: number): void {
    this.#settled.add(seq)
  }

  /** These were sent and not acknowledged: they stay, and carry that mark from now on. */
  giveBack(seqs: Iterable<number>): void {
    const open = [...seqs].filter(seq => !this.#settled.has(seq))
    if (open.length === 0) return
    this.#write(file => {
      for (const seq of open) file.markSent(seq)
    })
  }

  /** Writes pending settlements. */
  flush(): void {
    if (this.#settled.size > 0) this.#write(() => {})
  }

  /** Boots of which samples are held, oldest first, each with its newest mark. */
  undatedBoots(): { readonly bootId: string; readonly newestMonotonicMs: number }[] {
    const sql = 'SELECT boot_id, max(time_ms) AS newest FROM held GROUP BY boot_id ORDER BY min(seq)'
    const boots = this.#read(file => file.all<{ boot_id: string; newest: number }>(sql))
    return boots.map(({ boot_id, newest }) => ({ bootId: boot_id, newestMonotonicMs: newest }))
  }

  /**
   * Gives all held samples of a boot their time, in the order in which they were appended, in one transaction: they get
   * new sequence numbers at the end, so that a feed that reads on sees them, and `page` returns them from now on.
   * `toTimeMs` returns ms since the Unix epoch, rising for each charger; `undefined` drops the sample, counted in
   * `dropped`. `memories` (by charger) is asked after that, and stored in the same transaction. Returns how many
   * samples were stamped.
   */
  stampUndated(
    bootId: string,
    toTimeMs: (monotonicMs: number, charger: string) => number | undefined,
    memories: () => ReadonlyMap<string, ChargerMemory> = () => new Map()
  ): number {
    const { dropped } = this.#read(file => file.tally)
    const stamped = this.#write(file => {
      let seq = this.#newestSeq
      for (const rows of file.pages('held')) {
        for (const row of rows.filter(({ mark }) => mark === bootId)) {
          const timeMs = toTimeMs(row.time_ms, row.charger)
          file.remove('held', row.seq, row.seq)
          if (timeMs === undefined) file.tally.dropped++
          else file.insert('backlog', { ...row, seq: ++seq, time_ms: timeMs, mark: unsent })
        }
      }
      if (file.tally.held === 0) file.tally.thinnedThrough.held = []
      for (const [charger, memory] of memories()) file.putMemory(charger, memory)
      file.noteTally()
      return seq - this.#newestSeq
    })
    this.#newestSeq += stamped
    const lost = this.dropped - dropped
    if (lost > 0) this.#options.onDropped?.(lost)
    return stamped
  }

  /**
   * Adds `offsetWh` to TotalEnergyConsumption of every unsettled sample of the charger after `afterSeq` that was never
   * sent, and of all that are held, and stores `memory`: in one transaction. Returns how many samples have changed.
   */
  addToTotals(charger: string, offsetWh: number, afterSeq: number, memory: ChargerMemory): number {
    return this.#write(file => {
      file.putMemory(charger, memory)
      if (offsetWh === 0) return 0
      return shiftTotals(file, 'backlog', charger, offsetWh, afterSeq) + shiftTotals(file, 'held', charger, offsetWh, 0)
    })
  }

  /**
   * Moves samples of the charger that lie after `nowMs`, and were never sent, back, so that the newest is of now: they
   * were stamped by a clock that was wrong. Their times still rise. Stores what `memoryAt` makes of the newest time, in
   * the same transaction. Returns how many were moved.
   */
  pullBack(charger: string, nowMs: number, memoryAt: (newestMs: number) => ChargerMemory): number {
    return this.#write(file => {
      const { newestMs, moved } = pullBack(file, charger, nowMs)
      file.putMemory(charger, memoryAt(newestMs))
      return moved
    })
  }

  /**
   * Puts acknowledged samples with a time of `sinceMs` or later back in line, as sent before: one step of a replay, in
   * one bounded transaction, for the acknowledged samples that follow `afterSeq`. They keep their numbers, so a feed
   * that has passed them does not see them: the connection must be made anew when the last step is done.
   */
  replayStep(sinceMs: number, afterSeq: number): { readonly samples: number; readonly throughSeq: number | undefined } {
    return this.#write(file => {
      const firstSeq = file.nextSettled(afterSeq)
      if (firstSeq === undefined) return { samples: 0, throughSeq: undefined }
      const throughSeq = firstSeq + replayCountMax - 1
      return { samples: file.unsettle(firstSeq, throughSeq, sinceMs), throughSeq }
    })
  }

  /**
   * Writes pending settlements, where the disk takes them: else they are sent once more after the next start. May be
   * called twice.
   */
  close(): void {
    if (this.#isClosed) return
    try {
      this.flush()
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error
    } finally {
      this.#isClosed = true
      this.#file?.close()
    }
  }

  /** In ranges: what is acknowledged in order costs one statement. */
  #putSettled(file: SpoolFile): void {
    const nowMs = this.#nowMs()
    for (const [firstSeq, lastSeq] of ranges(this.#settled)) file.settle(firstSeq, lastSeq, nowMs)
  }

  #purge(file: SpoolFile): void {
    const nowMs = this.#nowMs()
    // Absolute: a clock that was set back must not put it off for years.
    if (Math.abs(nowMs - this.#purgedAtMs) < settledPurgeIntervalMs) return
    const removed = file.removeSettled(makeRoomCountMax, nowMs - settledKeepMs, this.#newestSeq)
    if (removed < makeRoomCountMax) this.#purgedAtMs = nowMs
  }

  #nowMs(): number {
    return Math.floor(this.#options.nowMs?.() ?? Date.now())
  }

  /** One transaction, which carries the pending settlements. */
  #write<T>(work: (file: SpoolFile) => T): T {
    try {
      const result = this.#onFile(file =>
        file.transaction(() => {
          this.#putSettled(file)
          return work(file)
        })
      )
      this.#settled.clear()
      if (this.#isUnwritable) this.#options.onWritable?.()
      this.#isUnwritable = false
      return result
    } catch (error) {
      // It may remember what was rolled back.
      this.#thinner = new Thinner()
      if (!isDiskFault(error)) throw error
      if (!this.#isUnwritable) this.#options.onUnwritable?.(error)
      this.#isUnwritable = true
      throw diskError('written', error)
    }
  }

  #read<T>(work: (file: SpoolFile) => T): T {
    try {
      return this.#onFile(work)
    } catch (error) {
      if (!isDiskFault(error)) throw error
      // A disk that was gone for a moment is back under another handle. While reading works the handle is kept: on a
      // disk that is read-only it could not be had again.
      if (isIoError(error)) this.#letGo()
      throw diskError('read', error)
    }
  }

  /** When the file turns out to be damaged `work` runs once more, on a new one. */
  #onFile<T>(work: (file: SpoolFile) => T): T {
    if (this.#isClosed) throw new Error('the spool is closed')
    this.#file ??= this.#open(false)
    try {
      return work(this.#file)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#letGo()
      this.#file = this.#startAnew(error, this.#newestSeq)
      return work(this.#file)
    }
  }

  #letGo(): void {
    try {
      this.#file?.close()
    } catch {
      // It cannot be closed better.
    }
    this.#file = undefined
  }

  #open(check: boolean): SpoolFile {
    try {
      return new SpoolFile(this.#options, check)
    } catch (error) {
      if (!isDamage(error)) throw error
      return this.#startAnew(error, 0)
    }
  }

  /** Numbers go on rising, so that no acknowledgement of an old sample settles a new one. */
  #startAnew(cause: unknown, newestSeq: number): SpoolFile {
    const damaged = putAside(this.#options.path)
    const file = new SpoolFile(this.#options, false)
    file.startAfter(newestSeq)
    const saved = salvage(damaged, file)
    this.#options.onQuarantine?.(damaged, cause, saved)
    return file
  }
}

/** First and last of each run of numbers that follow each other. */
function ranges(seqs: Iterable<number>): [number, number][] {
  const runs: [number, number][] = []
  for (const seq of [...seqs].sort((a, b) => a - b)) {
    const run = runs.at(-1)
    if (run !== undefined && run[1] + 1 === seq) run[1] = seq
    else runs.push([seq, seq])
  }
  return runs
}

const diskError = (what: 'read' | 'written', cause: unknown): RetryableError =>
  new RetryableError('spool_disk', `the spool cannot be ${what}: ${(cause as Error).message}; look at the disk`, {
    cause
  })
