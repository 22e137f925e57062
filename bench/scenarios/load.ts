// Scenarios in which a fleet sends as fast as its window allows, or at a rate. Each repeat measures the product first
// and then each baseline with the same fleet. A machine that slows down therefore slows down all of them.

import { type Baseline, baselines } from '../baselines/baselines.ts'
import { CopyFloor } from '../baselines/copyFloor.ts'
import { measureRun } from '../rig/measure.ts'
import { productName } from '../rig/product.ts'
import type { Defaults } from '../settings.ts'
import type { Bench, Scenario } from './scenario.ts'

export const loadScenario = (summary: string, defaults: Defaults): Scenario => ({
  summary,
  hasBaselines: true,
  defaults,
  run: runLoad
})

async function runLoad(bench: Bench): Promise<void> {
  const { settings, progress } = bench
  const chosen = chooseBaselines(bench)
  const copyFloor = settings.baselines.includes('copy-floor') ? new CopyFloor(bench) : undefined
  await bench.using({ close: async () => copyFloor?.clean() }, async () => {
    for (let repeat = 1; repeat <= settings.repeats; repeat++) {
      if (settings.repeats > 1) progress.print(`repeat ${repeat} of ${settings.repeats}`)
      await measureProduct(bench, repeat, copyFloor)
      await copyFloor?.measure(repeat)
      for (const baseline of chosen) await measureBaseline(bench, baseline, repeat)
    }
  })
}

/** Returns the baselines that can run on this machine. Reports the others as skipped. */
function chooseBaselines(bench: Bench): Baseline[] {
  return bench.settings.baselines.flatMap(name => {
    const baseline = name === 'copy-floor' ? undefined : baselines[name]
    const missing = baseline?.missing(bench.settings)
    if (missing !== undefined) {
      bench.skipped.push(`${name}: ${missing}`)
      bench.progress.print(`  ${name}: skipped: ${missing}`)
    }
    return baseline === undefined || missing !== undefined ? [] : [baseline]
  })
}

async function measureProduct(bench: Bench, repeat: number, copyFloor: CopyFloor | undefined): Promise<void> {
  const expected = bench.expected()
  await bench.using(await bench.product(expected), product =>
    bench.attempt(productName, repeat, async () => {
      const { run, ledger } = await measureRun(product, bench.load(expected), repeat, bench.progress)
      await copyFloor?.keep(product.database, expected, ledger)
      return run
    })
  )
}

async function measureBaseline(bench: Bench, baseline: Baseline, repeat: number): Promise<void> {
  const expected = bench.expected()
  await bench.using(await baseline.start(bench, expected), target =>
    bench.attempt(target.name, repeat, async () => {
      const { run } = await measureRun(target, bench.load(expected), repeat, bench.progress)
      return run
    })
  )
}
