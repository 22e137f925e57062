// Measures how much memory an idle connection takes in the server, and how long a whole fleet takes to reconnect when
// all connections are cut at once.

import { setTimeout as sleep } from 'node:timers/promises'
import { Fleet } from '../rig/measure.ts'
import type { Product } from '../rig/product.ts'
import type { Bench } from '../scenarios/scenario.ts'
import { atMost, type Budget } from './budget.ts'

const kbMax = 85
const backSecondsMax = 15
/** The server sends session tickets after the handshake, and its memory needs time to settle. */
const settleMs = 3_000

export async function connectionBudgets(bench: Bench): Promise<Budget[]> {
  const expected = bench.expected()
  const { connections } = bench.settings
  return bench.using(await bench.product(expected), product =>
    bench.withFleet(Fleet.create(product, bench.load(expected), bench.progress), async fleet => {
      await sleep(settleMs)
      const emptyBytes = product.rssBytes() ?? Number.NaN
      await fleet.open(64, false)
      await fleet.wait(settleMs / 1_000, 'settling')
      const kb = ((product.rssBytes() ?? Number.NaN) - emptyBytes) / 1_000 / connections
      await fleet.crew.cut()
      await untilNobody(product)
      const { seconds } = await fleet.open(connections, true)
      return [
        atMost('server: memory of a connection', kb, kbMax, 'KB'),
        atMost(`server: ${connections} reconnects at once, all back`, seconds, backSecondsMax, 's')
      ]
    })
  )
}

/** Waits until the server reports no connections, at most 10 s. */
async function untilNobody(product: Product): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await sleep(100)
    if ((await product.metrics())?.values.get('chargelift_connections') === 0) return
  }
}
