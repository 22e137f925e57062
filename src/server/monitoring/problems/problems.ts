// Which chargers have which problems. Checks all of them every few seconds, from memory, a part at a time so that no
// other work waits. Knows since when each problem holds. After a restart, `restore` gives back what was kept.

import { setImmediate as turn } from 'node:timers/promises'
import type { Problem } from '../../../model/api/api.ts'
import { type Condition, conditions } from '../../../model/api/problem.ts'
import { type Entries, FactReader } from './facts.ts'
import { problemLookChargersPerMs, problemLookCount, problemLookMs } from './limits.ts'
import { type Finding, judge, type Surroundings } from './rules.ts'

export interface ProblemsOptions {
  readonly chargers: ReadonlyMap<string, Entries>
  readonly surroundings: () => Surroundings
  /** After a look: which chargers a condition came to, and which it left. */
  readonly changed: (condition: Condition, opened: readonly string[], closed: readonly string[]) => void
  /** A fault of ours. The next look tries again. */
  readonly failed: (error: Error) => void
}

interface Open {
  cause: string
  sinceMs: number
}

type OpenByCondition = Map<Condition, Open>

/** A problem as it was when the server stopped. */
export interface Restored {
  readonly charger: string
  readonly condition: Condition
  readonly sinceMs: number
}

interface Changes {
  readonly opened: string[]
  readonly closed: string[]
}

export class Problems {
  readonly #options: ProblemsOptions
  readonly #reader = new FactReader()
  readonly #open = new Map<string, OpenByCondition>()
  #restored = new Map<string, number>()
  #counts = countsOf([])
  #looked = 0
  #known = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: ProblemsOptions) {
    this.#options = options
  }

  /** Looks until the returned function is called. */
  watch(): () => Promise<void> {
    const lookLater = (): void => {
      this.#timer = setTimeout(() => {
        this.look()
          .catch(this.#options.failed)
          .finally(() => this.#timer && lookLater())
      }, this.#pauseMs).unref()
    }
    lookLater()
    return async () => {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  get #pauseMs(): number {
    return Math.max(problemLookMs, this.#known / problemLookChargersPerMs)
  }

  /** Call before the first look. A problem that held before the restart, and still holds, keeps its beginning. */
  restore(problems: Iterable<Restored>): void {
    for (const { charger, condition, sinceMs } of problems) this.#restored.set(keyOf(charger, condition), sinceMs)
  }

  /** How often all chargers were checked. */
  get looked(): number {
    return this.#looked
  }

  /** Chargers that ever sent anything. */
  get chargers(): number {
    return this.#known
  }

  /** For how many chargers each condition holds. Every condition is present. */
  get counts(): ReadonlyMap<Condition, number> {
    return this.#counts
  }

  /** Conditions of one charger, in the order of `conditions`. */
  problemsOf(charger: string): readonly Condition[] {
    const open = this.#open.get(charger)
    return open === undefined ? [] : [...open.keys()]
  }

  *list(): Generator<Problem> {
    for (const [charger, open] of this.#open) {
      for (const [condition, { cause, sinceMs }] of open)
        yield { charger, condition, cause, since: new Date(sinceMs).toISOString() }
    }
  }

  async look(): Promise<void> {
    const { chargers, surroundings, changed } = this.#options
    const changes = new Map<Condition, Changes>()
    const around = surroundings()
    let known = 0
    let left = problemLookCount
    for (const [charger, entries] of chargers) {
      if (this.#lookAt(charger, entries, around, changes)) known++
      if (--left > 0) continue
      left = problemLookCount
      await turn()
    }
    this.#known = known
    this.#counts = countsOf(this.#open.values())
    this.#restored = new Map()
    this.#looked++
    for (const [condition, { opened, closed }] of changes) changed(condition, opened, closed)
  }

  /** False for an unknown name. */
  #lookAt(charger: string, entries: Entries, around: Surroundings, changes: Map<Condition, Changes>): boolean {
    const facts = this.#reader.read(entries)
    if (facts === undefined) return false
    const before = this.#open.get(charger)
    const findings = judge(
      facts,
      around,
      condition => before?.has(condition) === true || this.#restored.has(keyOf(charger, condition))
    )
    if (findings.length === 0 && before === undefined) return true
    this.#settle(charger, before, findings, changes)
    return true
  }

  #settle(
    charger: string,
    before: OpenByCondition | undefined,
    findings: readonly Finding[],
    changes: Map<Condition, Changes>
  ): void {
    const after: OpenByCondition = new Map()
    for (const { condition, cause, sinceMs } of findings) {
      const known = before?.get(condition)?.sinceMs
      if (known === undefined) changesOf(changes, condition).opened.push(charger)
      after.set(condition, { cause, sinceMs: known ?? this.#restored.get(keyOf(charger, condition)) ?? sinceMs })
    }
    for (const condition of before?.keys() ?? []) {
      if (!after.has(condition)) changesOf(changes, condition).closed.push(charger)
    }
    if (after.size === 0) this.#open.delete(charger)
    else this.#open.set(charger, after)
  }
}

export const keyOf = (charger: string, condition: Condition): string => `${condition} ${charger}`

function changesOf(changes: Map<Condition, Changes>, condition: Condition): Changes {
  let found = changes.get(condition)
  if (found === undefined) {
    found = { opened: [], closed: [] }
    changes.set(condition, found)
  }
  return found
}

function countsOf(open: Iterable<OpenByCondition>): ReadonlyMap<Condition, number> {
  const counts = new Map<Condition, number>(conditions.map(condition => [condition, 0]))
  for (const byCondition of open)
    for (const condition of byCondition.keys()) counts.set(condition, counts.get(condition)! + 1)
  return counts
}
