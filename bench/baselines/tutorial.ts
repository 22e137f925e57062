// The baselines `tutorial` and `tutorial-batched`: Mosquitto, and a subscriber that stores with INSERT. Mosquitto
// acknowledges messages before they are stored. The fleet therefore waits for the store, or all messages would queue up
// in front of the store.

import { startChild } from '../load/calls.ts'
import { nodeCpuOf } from '../rig/processes.ts'
import type { Expected } from '../rig/product.ts'
import type { Target } from '../rig/target.ts'
import type { Bench } from '../scenarios/scenario.ts'
import type { Baseline } from './baselines.ts'
import { createTutorialTable } from './insertStore.ts'
import { mosquittoMissing, startMosquitto } from './mosquitto.ts'
import { storedBySql } from './stored.ts'
import type { StoreCalls, SubscriberOptions } from './subscriber.ts'

export const tutorial = (name: string, summary: string, rows: number): Baseline => ({
  summary,
  missing: mosquittoMissing,
  start: (bench, expected) => start(bench, expected, name, rows)
})

async function start(bench: Bench, expected: Expected, name: string, rows: number): Promise<Target> {
  const { certs } = bench.settings
  const database = await (await bench.databases()).fresh()
  await createTutorialTable(database)
  await database.settle()
  const mosquitto = await startMosquitto(certs)
  const options: SubscriberOptions = { port: mosquitto.port, certs, name, rows, databaseUrl: database.url }
  const subscriber = await startChild<StoreCalls>(new URL('./subscriber.ts', import.meta.url), options)
  return {
    name,
    address: { host: '127.0.0.1', port: mosquitto.port, certs },
    storing: ['subscriber', 'database'],
    row: 'message',
    cpu() {
      const { main, workers, helpers } = nodeCpuOf(subscriber.pid)
      const databaseMs = database.cpuMs()
      return {
        mosquitto: mosquitto.cpuMs(),
        subscriber: main + workers + helpers,
        ...(databaseMs !== undefined && { database: databaseMs })
      }
    },
    rssBytes: () => mosquitto.rssBytes(),
    metrics: async () => undefined,
    stored: () => subscriber.call('stored'),
    verify: storedBySql(database, expected),
    async close() {
      subscriber.kill()
      await subscriber.ended
      await mosquitto.stop()
      await database.close()
    }
  }
}
