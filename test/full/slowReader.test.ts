// Tests a dashboard that stops reading, like a laptop that falls asleep. The server closes its connection, and the
// other clients do not notice.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { freshTime, Harness, until, waitMaxMs } from '../harness.ts'

describe('a subscriber that stops reading', () => {
  const harness = Harness.use()
  const names = Array.from({ length: 8 }, (_, i) => `c${i}`)

  it('is cut, and news reaches the others meanwhile', async t => {
    const server = await harness.server(await harness.database())
    for (const name of names) await harness.device(name)
    for (const name of ['asleep', 'awake']) await harness.device(name, 'consumer')
    const devices = await Promise.all(names.map(name => harness.client(server, name)))
    const asleep = await harness.client(server, 'asleep')
    const awake = await harness.client(server, 'awake')
    for (const reader of [asleep, awake]) await reader.subscribe('chargers/+/EdgeStatus')
    asleep.socket.pause()

    const isCut = async (): Promise<boolean> => {
      const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
      return /^chargelift_denied_total\{rule="slow_consumer"\} 1$/m.test(text)
    }
    const filler = 'x'.repeat(7_000)
    let [slowestMs, rounds] = [0, 0]
    for (const deadline = Date.now() + waitMaxMs; !(await isCut()); rounds++) {
      assert.ok(Date.now() < deadline, 'it is still not cut')
      const SamplingTime = freshTime()
      const publish = async (i: number): Promise<void> => {
        const topic = `chargers/${names[i]}/EdgeStatus`
        await devices[i]!.acked(devices[i]!.publish(topic, JSON.stringify({ SamplingTime, filler })))
      }
      await Promise.all(names.map((_, i) => publish(i)))
      const sinceMs = performance.now()
      const isNews = (payload: Buffer | string): boolean => payload.toString('latin1', 0, 60).includes(SamplingTime)
      await awake.wait(
        () =>
          awake.received.filter(packet => packet.cmd === 'publish' && isNews(packet.payload)).length === names.length
      )
      awake.received.length = 0
      slowestMs = Math.max(slowestMs, performance.now() - sinceMs)
    }
    t.diagnostic(`${rounds} rounds of news until the cut, the slowest took ${slowestMs.toFixed()} ms`)
    assert.ok(rounds >= 2 && !awake.closed, `${rounds} rounds of news`)
    await until(
      async () => (await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)).status,
      status => status === 200
    )
  })
})
