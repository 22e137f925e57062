// Every budget of the product, measured and printed with its bound: memory, CPU, times and frames that a test cannot
// assert on, because they are the machine's as well. Not part of .ci/run; `--strict` makes a broken bound the exit
// code.

import { type Budget, holds, type Measure, medianBudgets } from '../budgets/budget.ts'
import { connectionBudgets } from '../budgets/connections.ts'
import { backlogBudgets, edgeBudgets } from '../budgets/edge.ts'
import { neighbourBudgets } from '../budgets/neighbour.ts'
import { pageBudgets } from '../budgets/page.ts'
import { pkiBudgets } from '../budgets/pki.ts'
import { binaryBudgets, sourceBudgets } from '../budgets/server.ts'
import { spoolBudgets } from '../budgets/spool.ts'
import { formatNumber } from '../report/terminal.ts'
import type { Bench, Scenario } from './scenario.ts'

export const budgets: Scenario = {
  summary: 'every budget with its bound: memory, CPU, times and frames of edge, server and page; see --strict',
  defaults: { connections: 2_000, seconds: 15 },
  run
}

const parts: readonly Measure[] = [
  edgeBudgets,
  backlogBudgets,
  spoolBudgets,
  pkiBudgets,
  sourceBudgets,
  binaryBudgets,
  connectionBudgets,
  neighbourBudgets,
  pageBudgets
]

async function run(bench: Bench): Promise<void> {
  const repeats: Budget[][] = []
  for (let repeat = 1; repeat <= bench.settings.repeats; repeat++) {
    const found: Budget[] = []
    for (const measure of parts) {
      const measured = await measure(bench)
      for (const budget of measured) bench.progress.print(`  ${lineOf(budget)}`)
      found.push(...measured)
    }
    repeats.push(found)
  }
  bench.budgets.push(...medianBudgets(repeats))
}

const lineOf = (budget: Budget): string =>
  `${budget.name}: ${formatNumber(budget.value)} ${budget.unit}${holds(budget) ? '' : ` (${budget.good} ${budget.bound})`}`
