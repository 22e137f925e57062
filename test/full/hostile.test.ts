// Sends 20,000 mutations of valid traffic from many devices at once. The server process survives, its memory is
// bounded, a well-behaved neighbour is acknowledged all the time, and every message is accounted for.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ServerProcess } from '../faults/serverProcess.ts'
import { Harness, until } from '../harness.ts'
import { fuzz } from '../hostile/fuzz.ts'
import { Neighbour } from '../hostile/neighbour.ts'

const harness = Harness.use()
const names = Array.from({ length: 16 }, (_, i) => `f${i}`)
const rounds = 20
const sessions = 1_000
/**
 * Three times the growth that was seen, in MiB. An attack is judged by resident memory, because budget counters do not
 * see memory outside of the budgets.
 */
const growthMbMax = 180

it('20,000 seeded mutations: same process, a neighbour acknowledged all the while, bounded growth of memory', async t => {
  for (const name of ['neighbour', ...names]) await harness.device(name)
  const server = await ServerProcess.create(harness.certs, await harness.database())
  server.start()
  harness.onEnd(() => server.end('SIGTERM'))
  await server.ready()
  const client = await harness.client({ mqttPorts: [server.mqttPort] }, 'neighbour')
  const neighbour = new Neighbour(client, 'neighbour')
  // The history thread starts some seconds after the server. Its memory is not a growth by hostile bytes.
  await until(
    () => server.metrics(),
    seen => seen.get('chargelift_maintenance_last_success_timestamp_seconds')! > 0
  )
  const startMb = server.rssMb()
  let highestMb = startMb
  let cut = 0
  for (let round = 0; round < rounds; round++) {
    const before = neighbour.acknowledged
    const result = await fuzz({ certs: harness.certs, port: server.mqttPort, names, seed: 100 + round, sessions })
    cut += result.cut
    assert.ok(neighbour.acknowledged > before, `the neighbour was not acknowledged in round ${round}`)
    highestMb = Math.max(highestMb, server.rssMb())
  }
  await neighbour.stop()
  t.diagnostic(
    `${cut} of ${rounds * sessions} cut; slowest acknowledgement ${Math.round(neighbour.slowestMs)} ms of ` +
      `${neighbour.acknowledged}; memory ${startMb} MB at start, ${highestMb} at most`
  )
  assert.ok(highestMb - startMb < growthMbMax, `${highestMb - startMb} MB`)
  const metrics = await until(
    () => server.metrics(),
    seen => seen.get('chargelift_messages_in_flight') === 0
  )
  const count = (name: string): number => metrics.get(`chargelift_messages_${name}_total`) ?? 0
  assert.equal(count('received'), count('committed') + count('rejected') + count('dropped'))
  assert.ok(count('committed') > 1_000)
  assert.doesNotMatch(server.log, /broker_failed|"level":(50|60)/)
})
