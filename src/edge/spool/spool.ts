// The disk of the edge. It keeps every sample until two weeks after the server has acknowledged it, and the last state
// and energy of each charger. Promises: one transaction and one fsync put a sample and the state after it on disk, or
// neither; sequence numbers only rise; unsettled samples survive a crash; the file never grows above its bound: when
// it is full, room.ts decides what goes. A damaged file is put aside, and a new one takes over what can be read of it
// (quarantine.ts). A disk that cannot be written moves nothing.

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
   * Called when a damaged file was put aside, at the start or later; `saved` of its unsettled samples were taken over.
   */
  readonly onQuarantine?: (file: string, cause: unknown, saved: number) => void
  /**
   * Called when whole samples were dropped because the spool was full, possibly with every append: report it at a
   * bounded rate.
   */
  readonly onDropped?: (samples: number) => void
  /** Called when values were left out because the spool was full (thin.ts). Report it at a bounded rate, too. */
  readonly onThinned?: (values: number) => void
  /** Called once when the disk is full or read-only. Every append throws RetryableError until it can be written. */
  readonly onUnwritable?: (cause: unknown) => void
  /** Called once when the disk can be written again. */
  readonly onWritable?: () => void
  /** The wall clock, for the age of acknowledged samples. */
  readonly nowMs?: () => number
}

/** Opens the spool, or starts a new file in place of a damaged one. Throws ConfigError if that is impossible. */
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

/** Enough to skip samples whose acknowledgement is not on disk yet. */
const oldestAtOnce = 128

export class Spool {
  readonly #options: SpoolOptions
  /** Undefined only after a failed read: then the file is opened again. */
  #file: SpoolFile | undefined
  #thinner = new Thinner()
  /** Samples that were acknowledged since the last transaction. */
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

  /** Whole samples that were dropped since the file began, because the spool was full. */
  get dropped(): number {
    return this.#read(({ tally }) => tally.dropped)
  }

  /** Values that were left out since the file began, because the spool was full. */
  get thinned(): number {
    return this.#read(({ tally }) => tally.thinned)
  }

  /** Samples without an acknowledgement, undated ones included. Counters give it: no query. */
  unsettledCount(): number {
    return this.#read(({ tally }) => Math.max(0, tally.backlog + tally.held - this.#settled.size))
  }

  /** The time of the first unsettled sample in line, ms since the Unix epoch; undated samples do not count. */
  oldestUnsettledMs(): number | undefined {
    return this.page(0, this.#newestSeq, oldestAtOnce)[0]?.timeMs
  }

  /** Bytes in use in the file, acknowledged samples included. */
  usedBytes(): number {
    return this.#read(file => file.usedBytes())
  }

  memoryOf(charger: string): ChargerMemory | undefined {
    return this.#read(file => file.memoryOf(charger)) as ChargerMemory | undefined
  }

  /**
   * Puts the sample, the state of the charger after it and all pending settlements on disk, in one transaction.
   * Returns the sequence number of the sample; 0 for an undated sample, which gets its number with its time. When it
   * throws, nothing has changed, and the state of the caller must not change: RetryableError while the disk cannot be
   * written.
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
   * Unsettled samples after `afterSeq` through `throughSeq`, oldest first; empty only if there are no more. Without
   * undated samples.
   */
  page(afterSeq: number, throughSeq: number, limit: number): SpooledSample[] {
    return this.#read(file => {
      for (let after = afterSeq; ; ) {
        const rows = file.rows('backlog', after, throughSeq, limit)
        // Acknowledged samples that are not written yet must not be sent again.
        const open = rows.filter(({ seq }) => !this.#settled.has(seq))
        if (open.length > 0 || rows.length < limit) return open.map(sampleOf)
        after = rows.at(-1)!.seq
      }
    })
  }

  /** The server has this sample. The next append or flush writes it. */
  settle(seq: number): void {
    this.#settled.add(seq)
  }

  /** These samples were sent and not acknowledged: they stay, and are marked as sent. */
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

  /** Boots with undated samples, oldest first, each with its newest mark. */
  undatedBoots(): { readonly bootId: string; readonly newestMonotonicMs: number }[] {
    const sql = 'SELECT boot_id, max(time_ms) AS newest FROM held GROUP BY boot_id ORDER BY min(seq)'
    const boots = this.#read(file => file.all<{ boot_id: string; newest: number }>(sql))
    return boots.map(({ boot_id, newest }) => ({ bootId: boot_id, newestMonotonicMs: newest }))
  }

  /**
   * Gives all undated samples of a boot their times, in the order of their appends, in one transaction. They get new
   * sequence numbers at the end: a feed that reads on sees them, and `page` returns them from now on. `toTimeMs`
   * returns ms since the Unix epoch, rising for each charger; `undefined` drops the sample and counts it in `dropped`.
   * Then `memories` (by charger) is called, and stored in the same transaction. Returns the number of stamped samples.
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
   * In one transaction, adds `offsetWh` to TotalEnergyConsumption of every unsettled sample of the charger after
   * `afterSeq` that was never sent, and of all its undated samples, and stores `memory`. Returns the number of changed
   * samples.
   */
  addToTotals(charger: string, offsetWh: number, afterSeq: number, memory: ChargerMemory): number {
    return this.#write(file => {
      file.putMemory(charger, memory)
      if (offsetWh === 0) return 0
      return shiftTotals(file, 'backlog', charger, offsetWh, afterSeq) + shiftTotals(file, 'held', charger, offsetWh, 0)
    })
  }

  /**
   * Moves unsent samples of the charger back that lie after `nowMs`, because a wrong clock stamped them; the newest
   * becomes a sample of now, and their times still rise. Stores `memoryAt(newest time)` in the same transaction.
   * Returns the number of moved samples.
   */
  pullBack(charger: string, nowMs: number, memoryAt: (newestMs: number) => ChargerMemory): number {
    return this.#write(file => {
      const { newestMs, moved } = pullBack(file, charger, nowMs)
      file.putMemory(charger, memoryAt(newestMs))
      return moved
    })
  }

  /**
   * One step of a replay: puts acknowledged samples with a time of `sinceMs` or later back in line, marked as sent, in
   * one bounded transaction, beginning after `afterSeq`. They keep their numbers: a feed that has passed them does not
   * see them, so the connection must be made again after the last step.
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
   * Writes pending settlements if the disk allows it; otherwise those samples are sent again after the next start. May
   * be called twice.
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

  /** In ranges: acknowledgements in order cost one statement. */
  #putSettled(file: SpoolFile): void {
    const nowMs = this.#nowMs()
    for (const [firstSeq, lastSeq] of ranges(this.#settled)) file.settle(firstSeq, lastSeq, nowMs)
  }

  #purge(file: SpoolFile): void {
    const nowMs = this.#nowMs()
    // Absolute: a clock that was set back must not delay it for years.
    if (Math.abs(nowMs - this.#purgedAtMs) < settledPurgeIntervalMs) return
    const removed = file.removeSettled(makeRoomCountMax, nowMs - settledKeepMs, this.#newestSeq)
    if (removed < makeRoomCountMax) this.#purgedAtMs = nowMs
  }

  #nowMs(): number {
    return Math.floor(this.#options.nowMs?.() ?? Date.now())
  }

  /** One transaction, with the pending settlements. */
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
      // The thinner may remember what was rolled back.
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
      // A disk that was away for a moment needs a new handle. While reading works, the handle is kept: on a read-only
      // disk a new one could not be opened.
      if (isIoError(error)) this.#letGo()
      throw diskError('read', error)
    }
  }

  /** If the file is damaged, `work` runs again on a new file. */
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
      // There is nothing more to do.
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

  /** Sequence numbers continue to rise: no acknowledgement of an old sample may settle a new one. */
  #startAnew(cause: unknown, newestSeq: number): SpoolFile {
    const damaged = putAside(this.#options.path)
    const file = new SpoolFile(this.#options, false)
    file.startAfter(newestSeq)
    const saved = salvage(damaged, file)
    this.#options.onQuarantine?.(damaged, cause, saved)
    return file
  }
}

/** First and last number of each run of consecutive numbers. */
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
