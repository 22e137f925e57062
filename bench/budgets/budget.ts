// A budget limits what one part may take of a machine, and holds what the part took. The bench measures budgets, tests
// do not, because a slow machine breaks no promise.

import { median } from '../report/result.ts'
import type { Bench } from '../scenarios/scenario.ts'

export interface Budget {
  /** Unique, in the form `part: what`. */
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly bound: number
  /** The good side of the bound. */
  readonly good: 'at most' | 'at least'
}

/** Measures some budgets. Adds a reason to `bench.skipped` for each budget that this machine cannot measure. */
export type Measure = (bench: Bench) => Promise<readonly Budget[]>

export const atMost = (name: string, value: number, bound: number, unit: string): Budget => ({
  name,
  value,
  unit,
  bound,
  good: 'at most'
})

export const atLeast = (name: string, value: number, bound: number, unit: string): Budget => ({
  name,
  value,
  unit,
  bound,
  good: 'at least'
})

/** A missing figure (NaN) breaks its budget. */
export const holds = ({ value, bound, good }: Budget): boolean => (good === 'at most' ? value <= bound : value >= bound)

/** The median of each budget over the repeats, in the order of the first repeat. */
export function medianBudgets(repeats: readonly (readonly Budget[])[]): Budget[] {
  return (repeats[0] ?? []).map(budget => {
    const values = repeats.flatMap(found => found.filter(({ name }) => name === budget.name).map(({ value }) => value))
    return { ...budget, value: median(values) }
  })
}

export const mebibytes = (bytes: number): number => bytes / 1024 ** 2
