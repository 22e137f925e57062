// A budget: what one part may take of a machine, and what it took. Budgets are measured here and not in tests, because
// a slow machine breaks no promise.

import { median } from '../report/result.ts'
import type { Bench } from '../scenarios/scenario.ts'

export interface Budget {
  /** Unique: `part: what`. */
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly bound: number
  /** Which side of the bound is good. */
  readonly good: 'at most' | 'at least'
}

/** Measures some budgets. What cannot be measured here is told in `bench.skipped`. */
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

/** A figure that is not there breaks its budget. */
export const holds = ({ value, bound, good }: Budget): boolean => (good === 'at most' ? value <= bound : value >= bound)

/** Over the repeats, in the order of the first one. */
export function medianBudgets(repeats: readonly (readonly Budget[])[]): Budget[] {
  return (repeats[0] ?? []).map(budget => {
    const values = repeats.flatMap(found => found.filter(({ name }) => name === budget.name).map(({ value }) => value))
    return { ...budget, value: median(values) }
  })
}

export const mebibytes = (bytes: number): number => bytes / 1024 ** 2
