// Simulates the life of one charger as numbers. The charger waits; a car is plugged in and authorised; power ramps up,
// holds and tapers off; the car stays a while and leaves. Energy is the sum of the power that was shown, and the
// lifetime total never falls. The numbers depend only on the seed and on the time that passes. The class never reads a
// clock.

import { cards, columns, states, words } from './columns.ts'

/** The phases in order. Each has its shortest and its longest duration in seconds. */
const phases = [
  { name: 'idle', state: 'idle', word: 'Idle', from: 300, to: 7_200, hasCar: false },
  { name: 'authorise', state: 'idle', word: 'Authorize', from: 5, to: 30, hasCar: true },
  { name: 'ramp', state: 'charging', word: 'Charge', from: 10, to: 30, hasCar: true },
  { name: 'hold', state: 'charging', word: 'Charge', from: 1_200, to: 10_800, hasCar: true },
  { name: 'taper', state: 'charging', word: 'Charge', from: 300, to: 900, hasCar: true },
  { name: 'full', state: 'idle', word: 'Terminated', from: 60, to: 3_600, hasCar: true }
] as const

const phaseSeconds = ({ from, to }: (typeof phases)[number], random: number): number => from + random * (to - from)
const averageSeconds = phases.map(phase => phaseSeconds(phase, 0.5))
const wholeSeconds = averageSeconds.reduce((sum, seconds) => sum + seconds, 0)

/** Watts per ampere, for three phases at 230 V or for one. */
const threePhases = 690
const onePhase = 230
const limitsAmperes = [10, 13, 16, 20, 32]
const limitChangeSeconds = 900

export class Session {
  #random: number
  readonly #wattsPerAmpere: number
  #phase: number
  #phaseSeconds: number
  #inPhaseSeconds: number
  #sinceLimitSeconds = 0
  #limitAmperes: number
  #card = 1
  #totalWh: number
  #sessionWh = 0
  #watts = 0

  /** Starts the charger somewhere in the middle of its life. */
  constructor(seed: number) {
    this.#random = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x85ebca6b) >>> 0
    for (let i = 0; i < 4; i++) this.#draw()
    this.#wattsPerAmpere = this.#draw() < 0.7 ? threePhases : onePhase
    this.#limitAmperes = this.#drawLimit()
    this.#totalWh = Math.floor(1_000_000 + this.#draw() * 8_000_000)
    let at = this.#draw() * wholeSeconds
    let phase = 0
    while (at >= averageSeconds[phase]!) at -= averageSeconds[phase++]!
    this.#phase = phase
    this.#phaseSeconds = averageSeconds[phase]!
    this.#inPhaseSeconds = at
    if (phases[phase]!.hasCar) this.#card = this.#drawCard()
    this.#watts = this.#power()
  }

  /** Lets time pass. The energy of that time comes from the power that was shown before. */
  advance(seconds: number): void {
    const wh = (this.#watts * seconds) / 3_600
    this.#totalWh += wh
    this.#sessionWh += wh
    this.#inPhaseSeconds += seconds
    if (this.#inPhaseSeconds >= this.#phaseSeconds) this.#enterNext()
    this.#sinceLimitSeconds += seconds
    if (this.#sinceLimitSeconds >= limitChangeSeconds) {
      this.#sinceLimitSeconds = 0
      this.#limitAmperes = this.#drawLimit()
    }
    this.#watts = this.#power()
  }

  /**
   * Writes what the charger shows now into `units`, from `at` on: the first `count` values, in units, in the order of
   * `columns`.
   */
  show(units: Float64Array, at: number, count: number): void {
    units[at] = this.#watts
    if (count > 1) units[at + 1] = Math.floor(this.#totalWh)
    if (count > 2) units[at + 2] = Math.round((this.#watts / this.#wattsPerAmpere) * 10)
    if (count > 3) units[at + 3] = this.#limitAmperes
    if (count > 4) this.#showRest(units, at, count)
  }

  #showRest(units: Float64Array, at: number, count: number): void {
    const { state, word } = phases[this.#phase]!
    const rest = [states.indexOf(state) + 1, Math.floor(this.#sessionWh), this.#card, words.indexOf(word) + 1]
    for (let i = 4; i < count; i++) units[at + i] = rest[i - 4]!
  }

  #enterNext(): void {
    this.#phase = (this.#phase + 1) % phases.length
    this.#inPhaseSeconds = 0
    this.#phaseSeconds = phaseSeconds(phases[this.#phase]!, this.#draw())
    if (phases[this.#phase]!.name === 'idle') this.#card = 1
    if (phases[this.#phase]!.name === 'authorise') {
      this.#card = this.#drawCard()
      this.#sessionWh = 0
    }
  }

  /** The power in whole watts, because the energy is computed from the power that is shown. */
  #power(): number {
    const { name } = phases[this.#phase]!
    if (name !== 'ramp' && name !== 'hold' && name !== 'taper') return 0
    const full = this.#limitAmperes * this.#wattsPerAmpere
    const share = this.#inPhaseSeconds / this.#phaseSeconds
    const shape = name === 'ramp' ? 0.1 + 0.9 * share : name === 'taper' ? Math.exp(-3 * share) : 1
    return Math.max(0, Math.round(full * shape * (0.985 + 0.015 * this.#draw())))
  }

  #drawLimit(): number {
    return limitsAmperes[Math.floor(this.#draw() * limitsAmperes.length)]!
  }

  #drawCard(): number {
    return 2 + Math.floor(this.#draw() * (cards.length - 1))
  }

  /** A random number from 0 to 1, by xorshift. */
  #draw(): number {
    let x = this.#random
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#random = x >>> 0
    return this.#random / 2 ** 32
  }
}

if (columns.length !== 8) throw new Error('show() knows eight values')
