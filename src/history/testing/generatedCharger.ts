// Generates a period in the life of one charger: the rows that an edge stores (on change), and the true sessions. The
// seed is the only source of randomness. All numbers are whole. Steps have 36 s and powers are multiples of 100 W, so
// each step is a whole number of Wh, and neither rows nor true sessions are rounded. The true sessions are recorded
// while the life is generated. They do not depend on how sessions are derived.

import type { SessionRow } from '../counters.ts'

export interface TrueSession {
  readonly startedUs: number
  readonly endedUs: number | null
  readonly energyWh: number
  readonly vehicle: string
  readonly interruptions: number
  readonly peakPowerW: number
  /** The cost in hundredths of the currency. */
  readonly costCents: number
}

export interface GeneratedCharger {
  readonly rows: readonly SessionRow[]
  readonly sessions: readonly TrueSession[]
}

export interface LifeOptions {
  readonly seed: number
  readonly fromMs: number
  readonly toMs: number
  /** The mean time between two sessions, in hours. */
  readonly pauseHours: number
  /** A Pi is exchanged in the middle of every n-th session, and the rows of that time are lost. 0: never. */
  readonly swapEvery?: number
}

/** The length of a step in seconds. A divisor of the quarter hour. */
const stepSeconds = 36
/** Hundredths of a cent per kWh, in Europe/Berlin: the day price from 06:00 to 22:00, and the night price. */
export const dayPrice = 3_250
export const nightPrice = 2_475
export const generatedTimeZone = 'Europe/Berlin'

type Values = Omit<SessionRow, 'timeUs'>

/** The row that an edge stores at this time. It has only the values that changed. */
export function changedRow(timeUs: number, before: Values | undefined, values: Values): SessionRow {
  const news = <Name extends keyof Values>(name: Name): Values[Name] | null =>
    before?.[name] === values[name] ? null : values[name]
  return {
    timeUs,
    state: news('state'),
    totalWh: news('totalWh'),
    sessionWh: news('sessionWh'),
    powerW: news('powerW'),
    vehicle: news('vehicle'),
    status: news('status')
  }
}

export function generateCharger(options: LifeOptions): GeneratedCharger {
  return new Life(options).live()
}

class Life {
  readonly #options: LifeOptions
  #random: number
  #second: number
  readonly #endSecond: number
  readonly #rows: SessionRow[] = []
  readonly #sessions: TrueSession[] = []
  #told: Values | undefined
  #values: Values
  /** True while a Pi is exchanged and rows are lost. */
  #isLost = false

  constructor(options: LifeOptions) {
    this.#options = options
    this.#random = (Math.imul(options.seed + 1, 0x9e3779b1) ^ 0x85ebca6b) >>> 0
    this.#second = Math.ceil(options.fromMs / 1000 / stepSeconds) * stepSeconds
    this.#endSecond = Math.floor(options.toMs / 1000)
    const totalWh = 1_000_000 + this.#pick(0, 8_000_000)
    this.#values = { state: 'idle', totalWh, sessionWh: this.#pick(1, 40_000), powerW: 0, vehicle: '', status: 'Idle' }
  }

  live(): GeneratedCharger {
    this.#tell({})
    while (this.#second < this.#endSecond) {
      this.#wait(this.#pick(10, this.#options.pauseHours * 2 * 100))
      this.#session()
    }
    return { rows: this.#rows, sessions: this.#sessions }
  }

  #session(): void {
    const { swapEvery = 0 } = this.#options
    const isSwapped = swapEvery > 0 && this.#sessions.length % swapEvery === swapEvery - 1
    const vehicle = this.#pick(0, 9) === 0 ? '' : `04A2B3C4D5E6${this.#pick(16, 99)}`
    const session = { energyWh: 0, nanoCents: 0, peakPowerW: 0, interruptions: 0 }
    // The counter is cleared with the card, with the first charging row, or a step after that row.
    const clearing = this.#pick(0, 2)
    this.#tell({ vehicle, status: 'StandbyConnect', ...(clearing === 0 && { sessionWh: 0 }) })
    this.#wait(this.#pick(1, 20))
    const startedUs = this.#second * 1_000_000
    let powerW = this.#pick(14, 220) * 100
    this.#tell({ state: 'charging', status: 'Charging', powerW, ...(clearing === 1 && { sessionWh: 0 }) })
    session.peakPowerW = powerW
    const legs = this.#pick(1, 4)
    let countedWh = 0
    for (let leg = 0; leg < legs; leg++) {
      if (isSwapped && leg === 0) this.#isLost = true
      for (let part = this.#pick(1, 5); part > 0; part--) {
        const steps = this.#pick(5, 60)
        for (let i = 0; i < steps; i++) {
          const wh = (powerW * stepSeconds) / 3_600
          session.energyWh += wh
          session.nanoCents += wh * (isNight(this.#second) ? nightPrice : dayPrice)
          this.#second += stepSeconds
          if (clearing === 2 && countedWh === 0 && session.energyWh === wh) {
            this.#count(session.energyWh, countedWh)
            countedWh = session.energyWh
          }
        }
        // During an exchange the power stays the same, because no row could report another power.
        if (part > 1 && !this.#isLost) powerW = this.#pick(14, 220) * 100
        if (!this.#isLost) session.peakPowerW = Math.max(session.peakPowerW, powerW)
        this.#values = { ...this.#values, powerW }
        this.#count(session.energyWh, countedWh)
        countedWh = session.energyWh
      }
      if (this.#isLost) {
        // The new Pi does not know which values were reported. It continues from the server's total.
        this.#isLost = false
        this.#told = undefined
        this.#tell({})
      }
      const isLast = leg === legs - 1
      if (isLast) break
      session.interruptions++
      this.#tell({ state: 'idle', status: 'Paused', powerW: 0 })
      this.#wait(this.#pick(1, 100))
      if (this.#pick(0, 3) === 0) this.#restart()
      this.#tell({ state: 'charging', status: 'Charging', powerW })
    }
    if (this.#pick(0, 1) === 0) {
      this.#tell({ state: 'idle', status: 'Terminated', powerW: 0 })
      this.#wait(this.#pick(1, 600))
    }
    const endedUs = this.#second * 1_000_000
    this.#tell({ state: 'idle', status: 'Idle', powerW: 0, vehicle: '' })
    const { energyWh, peakPowerW, interruptions, nanoCents } = session
    // Rounded half up. Wh times hundredths of a cent per kWh are 100,000ths of a cent.
    const costCents = Math.floor((nanoCents + 50_000) / 100_000)
    this.#sessions.push({ startedUs, endedUs, energyWh, vehicle, interruptions, peakPowerW, costCents })
  }

  #count(energyWh: number, countedWh: number): void {
    const totalWh = this.#values.totalWh! + energyWh - countedWh
    this.#tell({ totalWh, sessionWh: energyWh })
  }

  #wait(steps: number): void {
    this.#second += steps * stepSeconds
  }

  /** An edge that starts reports all values. */
  #restart(): void {
    this.#told = undefined
    this.#tell({})
    this.#wait(1)
  }

  #tell(change: Partial<Values>): void {
    this.#values = { ...this.#values, ...change }
    if (this.#isLost) return
    const row = changedRow(this.#second * 1_000_000, this.#told, this.#values)
    this.#told = this.#values
    const last = this.#rows.at(-1)
    if (last?.timeUs === row.timeUs) this.#rows[this.#rows.length - 1] = merged(last, row)
    else this.#rows.push(row)
  }

  #pick(from: number, to: number): number {
    let x = this.#random
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#random = x >>> 0
    return from + Math.floor((this.#random / 2 ** 32) * (to - from + 1))
  }
}

/** Merges two rows of the same time into one answer of the charger. */
const merged = (a: SessionRow, b: SessionRow): SessionRow => ({
  timeUs: a.timeUs,
  state: b.state ?? a.state,
  totalWh: b.totalWh ?? a.totalWh,
  sessionWh: b.sessionWh ?? a.sessionWh,
  powerW: b.powerW ?? a.powerW,
  vehicle: b.vehicle ?? a.vehicle,
  status: b.status ?? a.status
})

/**
 * True at night in Europe/Berlin. By the rule of the European Union, summer time lasts from 01:00 UTC of March's last
 * Sunday to 01:00 UTC of October's last Sunday.
 */
function isNight(second: number): boolean {
  const year = new Date(second * 1000).getUTCFullYear()
  const isSummer = second >= lastSunday(year, 2) && second < lastSunday(year, 9)
  const secondOfDay = (second + (isSummer ? 7_200 : 3_600)) % 86_400
  return secondOfDay < 6 * 3_600 || secondOfDay >= 22 * 3_600
}

const lastSundays = new Map<number, number>()
function lastSunday(year: number, month: number): number {
  const known = lastSundays.get(year * 12 + month)
  if (known !== undefined) return known
  const last = new Date(Date.UTC(year, month + 1, 0, 1))
  const second = last.getTime() / 1000 - last.getUTCDay() * 86_400
  lastSundays.set(year * 12 + month, second)
  return second
}
