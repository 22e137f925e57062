// Stops the database as in a crash while chargers go on sending, and starts it again after a minute. Measures the time
// until the whole backlog is acknowledged, the memory, and the number of lost connections.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError } from '../../src/model/errors.ts'
import { Postgres } from '../../test/faults/postgres.ts'
import { Database } from '../rig/database.ts'
import { defined, Fleet, runOf } from '../rig/measure.ts'
import { productName, startProduct } from '../rig/product.ts'
import { type Bench, folder, type Scenario } from './scenario.ts'

export const databaseOutage: Scenario = {
  summary: 'the database stops for a minute while the fleet goes on: how long until all of it is stored',
  defaults: { connections: 200, rate: 1_500, window: 1_024, 'outage-seconds': 60 },
  run
}

const recoveryTimeoutMs = 180_000

async function run(bench: Bench): Promise<void> {
  const { settings } = bench
  for (const flag of ['server', 'database-url'] as const) {
    if (settings[flag] === undefined) continue
    const expected = 'nothing: this scenario stops a database of its own'
    throw new ConfigError([{ path: `--${flag}`, expected, found: 'a value' }])
  }
  const dir = join(folder, 'outage')
  for (let repeat = 1; repeat <= settings.repeats; repeat++) {
    rmSync(dir, { recursive: true, force: true })
    const postgres = await Postgres.create(dir)
    const stop = { close: () => postgres.stopImmediately() }
    await bench.using(stop, () => outage(bench, postgres, repeat))
    rmSync(dir, { recursive: true, force: true })
  }
}

async function outage(bench: Bench, postgres: Postgres, repeat: number): Promise<void> {
  const { certs, workers } = bench.settings
  const expected = bench.expected()
  const database = await Database.open(postgres.url)
  bench.versions.database = await database.version()
  await bench.using(await startProduct(database, { certs, workers }, expected), product =>
    bench.attempt(productName, repeat, () =>
      bench.withFleet(Fleet.connect(product, bench.load(expected), bench.progress), async fleet => {
        await fleet.start()
        const recovery = { backlogMessages: 0, recoverySeconds: 0 }
        const measured = await fleet.measureWhile(() => stopAndStart(bench, fleet, postgres, recovery))
        await database.reconnect()
        const { verified } = await fleet.finish()
        // The outage distorts speed and CPU, so the report leaves both out.
        const { ackMaxMs, serverRssMb, serverRssMaxMb } = measured.figures
        const lossCount = measured.after.tally.losses
        const figures = defined({ ackMaxMs, serverRssMb, serverRssMaxMb, lossCount, ...recovery })
        return { ...runOf(productName, repeat, verified, measured), figures, cpuUs: {} }
      })
    )
  )
}

async function stopAndStart(
  bench: Bench,
  fleet: Fleet,
  postgres: Postgres,
  recovery: { backlogMessages: number; recoverySeconds: number }
): Promise<void> {
  const { seconds, rate = 0, 'outage-seconds': outageSeconds = 60 } = bench.settings
  await fleet.wait(seconds, 'before the outage')
  await postgres.stopImmediately()
  await fleet.wait(outageSeconds, 'database away')
  await postgres.start()
  const backMs = performance.now()
  const { waiting } = await fleet.crew.tally()
  recovery.backlogMessages = waiting
  const usual = Math.max(100, rate / 2)
  for (let now = waiting; now > usual; now = (await fleet.crew.tally()).waiting) {
    bench.progress.show(`${productName}: recovering`, 1 - now / waiting, `${now} messages wait`)
    if (performance.now() - backMs > recoveryTimeoutMs) break
    await sleep(100)
  }
  recovery.recoverySeconds = (performance.now() - backMs) / 1000
  await fleet.wait(seconds, 'after the outage')
}
