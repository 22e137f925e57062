// Runs a paced fleet for minutes or hours. Chargers leave and come back all the time. Measures memory and latency over
// time.

import type { Moment } from '../report/result.ts'
import { Fleet, runOf } from '../rig/measure.ts'
import { productName } from '../rig/product.ts'
import type { Bench, Scenario } from './scenario.ts'

export const soak: Scenario = {
  summary: 'minutes to hours at a fixed rate, chargers coming and going: memory and latency over time',
  defaults: { connections: 500, rate: 2_000, window: 256, seconds: 600, churn: 20 },
  run
}

const hourSeconds = 3_600
const growthSecondsMin = 60

async function run(bench: Bench): Promise<void> {
  const { seconds } = bench.settings
  await bench.eachRepeat((product, expected, repeat) =>
    bench.withFleet(Fleet.connect(product, bench.load(expected), bench.progress), async fleet => {
      await fleet.start()
      const measured = await fleet.measure(seconds)
      const { verified } = await fleet.finish()
      const growth = growthPerSecond(measured.moments.slice(Math.floor(measured.moments.length / 2)))
      const run = runOf(productName, repeat, verified, measured)
      // In a shorter run, the garbage collector would decide the growth.
      if (growth === undefined || seconds < growthSecondsMin) return run
      return { ...run, figures: { ...run.figures, serverRssMbPerHour: growth * hourSeconds } }
    })
  )
}

/** The slope of the straight line that fits the memory best, in MB per second. */
function growthPerSecond(moments: readonly Moment[]): number | undefined {
  const points = moments.flatMap(({ second, rssMb }) => (rssMb === null ? [] : [[second, rssMb] as const]))
  if (points.length < 2) return undefined
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  return over / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
}
