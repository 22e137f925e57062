// Which values a full spool gives up, and in which order. Each step is applied to the oldest samples first, and the
// next step only when the steps before it have nothing left to give. Knows no disk.
//
//   1  Measurements (PowerOutput, OutputCurrent, SessionEnergy): one sample a minute of each charger keeps them.
//   2  Measurements: one sample a quarter of an hour keeps them.
//   3  Measurements: none keeps them.
//   4  All other values but the energy counter, where they only repeat known values: heartbeats.
//   5  TotalEnergyConsumption: the first and the last sample of every hour keep it.
//
// A sample without values is removed. Changes of state and two totals an hour remain: thinning does not touch them.
// They go last and whole, oldest first (room.ts).

import { type ChargerValues, type ValueName, valueNames } from '../../model/wire/chargerState.ts'
import { thinCoarseMs, thinFineMs } from './limits.ts'

export type Values = Readonly<Partial<ChargerValues>>

/** The steps of the rule. */
export const thinSteps = [1, 2, 3, 4, 5] as const
export type ThinStep = (typeof thinSteps)[number]

export interface ThinRow {
  readonly seq: number
  /** Names the samples of one charger by one clock. */
  readonly group: string
  readonly timeMs: number
  readonly values: Values
  /** True if none of its states is a change. */
  readonly repeats: boolean
}

/** What is left of a sample. */
export interface Left {
  readonly values: Values
  /** How many values were removed. */
  readonly removed: number
}

const measurements: readonly ValueName[] = ['PowerOutput', 'OutputCurrent', 'SessionEnergy']
const energy: ValueName = 'TotalEnergyConsumption'
/** Values that describe the charger and are no measurements. */
export const stateNames: readonly ValueName[] = valueNames.filter(
  name => name !== energy && !measurements.includes(name)
)

const hourMs = 3_600_000

/** Applies steps to samples. Remembers, per step and group, what it kept last. */
export class Thinner {
  readonly #keptPeriod = new Map<string, number>()
  readonly #lastEnergy = new Map<string, { row: ThinRow; isFirst: boolean }>()

  /**
   * `rows` rise in `seq` from call to call. Returns the changed samples by `seq`; a row of an earlier call may be
   * among them.
   */
  thin(step: ThinStep, rows: readonly ThinRow[]): ReadonlyMap<number, Left> {
    const changed = new Map<number, Left>()
    const leaveOut = (row: ThinRow, names: readonly ValueName[]) => {
      const left = without(row.values, names)
      if (left.removed > 0) changed.set(row.seq, left)
    }
    for (const row of rows) {
      if (step === 1) this.#keepOne(step, thinFineMs, row, leaveOut)
      else if (step === 2) this.#keepOne(step, thinCoarseMs, row, leaveOut)
      else if (step === 3) leaveOut(row, measurements)
      else if (step === 4) leaveOut(row, row.repeats ? stateNames : [])
      else this.#keepFirstAndLast(row, leaveOut)
    }
    return changed
  }

  #keepOne(step: ThinStep, periodMs: number, row: ThinRow, leaveOut: LeaveOut): void {
    if (!measurements.some(name => row.values[name] !== undefined)) return
    const key = `${step} ${row.group}`
    const period = Math.floor(row.timeMs / periodMs)
    if (this.#keptPeriod.get(key) === period) leaveOut(row, measurements)
    else this.#keptPeriod.set(key, period)
  }

  /** A total is the last of its hour until a later one is seen. */
  #keepFirstAndLast(row: ThinRow, leaveOut: LeaveOut): void {
    if (row.values[energy] === undefined) return
    const before = this.#lastEnergy.get(row.group)
    const isFirst = before === undefined || hourOf(before.row) !== hourOf(row)
    if (!isFirst && !before.isFirst) leaveOut(before.row, [energy])
    this.#lastEnergy.set(row.group, { row, isFirst })
  }
}

type LeaveOut = (row: ThinRow, names: readonly ValueName[]) => void

const hourOf = ({ timeMs }: ThinRow): number => Math.floor(timeMs / hourMs)

function without(values: Values, names: readonly ValueName[]): Left {
  const entries = Object.entries(values)
  const left = entries.filter(([name]) => !names.includes(name as ValueName))
  return { values: Object.fromEntries(left), removed: entries.length - left.length }
}
