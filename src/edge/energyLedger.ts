// The lifetime energy of one charger through everything that can happen: the first reading on an empty disk, the
// readings after it, a gap, a replaced charger. It decides and logs; the recorder stores the result with the sample.

import type { Logger } from 'pino'
import type { Sample, SessionReading, SessionRecord } from './chargers/charger.ts'
import {
  type Accumulated,
  accumulate,
  accumulateMeter,
  type EnergyState,
  type EnergyStep,
  rebase
} from './energy/energy.ts'
import { type Gap, isDeliverable, recordedWh } from './energy/gap.ts'
import type { Retained } from './energy/seed.ts'
import { type CounterKind, continuedWh, type Seed, seededWh } from './energy/seed.ts'
import { energyGapMs } from './limits.ts'
import type { ChargerMemory } from './spool/spool.ts'

export interface EnergyLedgerOptions {
  readonly charger: string
  /** From the second file. */
  readonly saved?: EnergyState | undefined
  /** Wh, given by the user. */
  readonly startWh?: number | undefined
  /** Of the spool. */
  readonly newestSeq: () => number
  readonly log: Logger
}

/** A counted reading, and what it changes in the memory of the charger. */
export interface Counted {
  readonly step: EnergyStep
  readonly addedWh: number
  readonly changes: Partial<ChargerMemory> & { readonly energy: EnergyState }
}

/** Wh to add to the totals of all samples after a number. */
export interface Seeded {
  readonly offsetWh: number
  readonly afterSeq: number
  readonly changes: Partial<ChargerMemory>
}

type Begun = Accumulated & { readonly seed?: Seed }

export class EnergyLedger {
  readonly #options: EnergyLedgerOptions
  /** By the monotonic clock; unknown after a restart. */
  #countedAtMs: number | undefined
  /** What the server had, if its answer came before the first reading. */
  #retained: Retained | undefined

  constructor(options: EnergyLedgerOptions) {
    this.#options = options
  }

  wantsSeed({ energy, seed }: ChargerMemory): boolean {
    if (energy !== undefined) return seed !== undefined
    return this.#options.startWh === undefined && this.#retained === undefined
  }

  /** `utcMs`: the time, if known. `isAnother`: a new charger stands there, on purpose. Undefined without a reading. */
  count(memory: ChargerMemory, sample: Sample, utcMs: number | undefined, isAnother: boolean): Counted | undefined {
    const meterWh = sample.values.TotalEnergyConsumption
    const reading = sample.session ?? (meterWh === undefined ? undefined : { energyWh: meterWh })
    if (reading === undefined) return undefined
    const kind = sample.session === undefined ? 'meter' : 'session'
    const { energy } = memory
    if (energy === undefined) return this.#begin(reading, kind, utcMs)
    const elapsedMs = this.#countedAtMs === undefined ? undefined : sample.arrivedMonotonicMs - this.#countedAtMs
    const counted = isAnother
      ? { state: rebase(energy, reading), step: 'rebased' as const, addedWh: 0 }
      : kind === 'meter'
        ? accumulateMeter(energy, reading.energyWh, elapsedMs)
        : accumulate(energy, reading, elapsedMs)
    const { step, addedWh, state } = counted
    if (step === 'implausible') return { step, addedWh, changes: { energy: state } }
    const gap = kind === 'session' && !isAnother ? gapAfter(memory, reading, addedWh, elapsedMs, utcMs) : undefined
    return { step, addedWh, changes: { energy: state, ...countedAt(utcMs), ...(gap && { gap }) } }
  }

  /** The counted reading is on disk now. */
  noteCounted({ step, addedWh, changes }: Counted, monotonicMs: number): void {
    if (step !== 'implausible') this.#countedAtMs = monotonicMs
    if (step === 'same_session' || step === 'same_meter') return
    const { charger, log } = this.#options
    const { totalWh, epochs } = changes.energy
    const isOdd = step === 'implausible' || step === 'rebased' || step === 'new_epoch' || step === 'caught_up'
    log[isOdd ? 'warn' : 'info']({ event: 'energy', charger, step, addedWh, totalWh, epochs }, 'energy counter')
  }

  /** Wh to add to all totals since the first, by the answer of the server; undefined before the first reading. */
  seed(memory: ChargerMemory, retained: Retained): Seeded | undefined {
    const { energy, seed } = memory
    if (energy === undefined) this.#retained = retained
    if (energy === undefined || seed === undefined) return undefined
    const offsetWh = Math.max(0, seededWh(retained, seed.first, seed.kind) - seed.firstWh)
    const totalWh = energy.totalWh + offsetWh
    const gap = seed.kind === 'session' ? gapSince(retained, energy.last, totalWh) : undefined
    this.#logSeeded(retained, totalWh)
    return { offsetWh, afterSeq: seed.afterSeq, changes: { energy: { ...energy, totalWh }, ...(gap && { gap }) } }
  }

  /** The lifetime energy with the energy that the records show for the gap; undefined if that is none. */
  fill(
    { gap, energy }: ChargerMemory,
    records: readonly SessionRecord[] | undefined,
    nowMs: number | undefined
  ): EnergyState | undefined {
    if (gap === undefined || energy === undefined || nowMs === undefined) return undefined
    const { charger, log } = this.#options
    const gapMs = nowMs - gap.sinceMs
    if (gapMs <= energyGapMs) return undefined
    const recorded = records && recordedWh(gap, records)
    const isUsed = recorded !== undefined && isDeliverable(recorded, gapMs)
    const moreWh = isUsed ? Math.max(0, recorded - gap.addedWh) : 0
    const totalWh = energy.totalWh + moreWh
    const facts = { since: new Date(gap.sinceMs).toISOString(), addedWh: gap.addedWh + moreWh, totalWh }
    log.info(
      { event: 'energy_gap', charger, ...facts, estimated: !isUsed },
      isUsed ? "a gap was filled from the charger's records" : 'a gap: its energy is the least that it can have been'
    )
    return { ...energy, totalWh }
  }

  #begin(first: SessionReading, kind: CounterKind, utcMs: number | undefined): Counted {
    const { step, addedWh, state, seed } = this.#firstOf(first, kind)
    const gap = kind === 'session' && this.#retained ? gapSince(this.#retained, first, state.totalWh) : undefined
    const changes = { energy: state, ...countedAt(utcMs), ...(seed && { seed }), ...(gap && { gap }) }
    return { step, addedWh, changes }
  }

  #firstOf(first: SessionReading, kind: CounterKind): Begun {
    const { startWh, saved, newestSeq } = this.#options
    const begin = (totalWh: number): Accumulated => ({
      state: { totalWh, last: first, doubts: 0, ...(saved?.epochs && { epochs: saved.epochs }) },
      step: 'first',
      addedWh: totalWh
    })
    if (startWh !== undefined) return begin(startWh)
    const firstWh = saved === undefined ? first.energyWh : continuedWh(saved, first, kind)
    if (this.#retained === undefined)
      return { ...begin(firstWh), seed: { kind, first, firstWh, afterSeq: newestSeq() } }
    const totalWh = Math.max(firstWh, seededWh(this.#retained, first, kind))
    this.#logSeeded(this.#retained, totalWh)
    return begin(totalWh)
  }

  #logSeeded(retained: Retained, totalWh: number): void {
    const { charger, log } = this.#options
    const facts = { serverWh: retained.totalWh ?? null, totalWh, estimated: retained.totalWh !== undefined }
    log.info({ event: 'energy_seeded', charger, ...facts }, 'the lifetime energy goes on from what the server had')
  }
}

const countedAt = (utcMs: number | undefined): Pick<ChargerMemory, 'countedAtMs'> => ({
  countedAtMs: utcMs === undefined ? undefined : Math.floor(utcMs)
})

/** A new gap, or an open one that continues. */
function gapAfter(
  { gap, energy, countedAtMs }: ChargerMemory,
  now: SessionReading,
  addedWh: number,
  elapsedMs: number | undefined,
  utcMs: number | undefined
): Gap | undefined {
  if (gap !== undefined) return { ...gap, now, addedWh: gap.addedWh + addedWh }
  const sinceMs = elapsedMs !== undefined && utcMs !== undefined ? utcMs - elapsedMs : countedAtMs
  if (sinceMs === undefined || energy === undefined) return undefined
  const gapMs = elapsedMs ?? (utcMs === undefined ? Number.POSITIVE_INFINITY : utcMs - sinceMs)
  return gapMs > energyGapMs ? { sinceMs, last: energy.last, now, addedWh } : undefined
}

/** The gap since the last sample that the server has. */
function gapSince(
  { totalWh, totalTimeMs, sessionWh, card }: Retained,
  now: SessionReading,
  nowWh: number
): Gap | undefined {
  if (totalWh === undefined || totalTimeMs === undefined || sessionWh === undefined) return undefined
  const last = { energyWh: sessionWh, ...(card ? { card } : {}) }
  return { sinceMs: totalTimeMs, last, now, addedWh: nowWh - totalWh }
}
