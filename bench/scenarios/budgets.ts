// Measures every budget of the product and prints it with its bound: memory, CPU, times and frames. A test cannot
// assert on these, because they depend on the machine. The scenario is not part of .ci/run. With `--strict`, a broken
// bound makes the exit code 1.

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
