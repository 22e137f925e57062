// Measures a well-behaved device beside hostile clients: the slowest acknowledgement for the device, and the growth of
// the server's memory.

import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '../../src/edge/testing/folder.ts'
import { initAuthority } from '../../src/pki/authority/authority.ts'
import { issueDevice } from '../../src/pki/authority/devices.ts'
import { ServerProcess } from '../../test/faults/serverProcess.ts'
import { envelope } from '../../test/harness.ts'
import { fuzz } from '../../test/hostile/fuzz.ts'
import { Neighbour } from '../../test/hostile/neighbour.ts'
import { WireClient } from '../../test/wire.ts'
import type { Bench } from '../scenarios/scenario.ts'
import { atMost, type Budget } from './budget.ts'
import { type Ends, withEnds } from './ends.ts'

const floodMessages = 300_000
const floodAckMsMax = 1_000
const floodMbMax = 256
const fuzzSessions = 2_000
const fuzzAckMsMax = 3_000
const fuzzMbMax = 120
const writeMessages = 500
const hostileNames = Array.from({ length: 8 }, (_, i) => `f${i}`)

export const neighbourBudgets = (bench: Bench): Promise<Budget[]> =>
  withEnds(async ends => {
    const flood = await beside(bench, ends, 'a flood', floodOf)
    const fuzzed = await beside(bench, ends, 'mutations', ({ certs, server }) =>
      fuzz({ certs, port: server.mqttPort, names: hostileNames, seed: 5, sessions: fuzzSessions })
    )
    return [
      atMost('neighbour: slowest acknowledgement beside a flood', flood.slowestMs, floodAckMsMax, 'ms'),
      atMost('server: growth of memory in a flood', flood.grownMb, floodMbMax, 'MiB'),
      atMost('neighbour: slowest acknowledgement beside mutations', fuzzed.slowestMs, fuzzAckMsMax, 'ms'),
      atMost('server: growth of memory by mutations', fuzzed.grownMb, fuzzMbMax, 'MiB')
    ]
  })

interface Scene {
  readonly certs: string
  readonly server: ServerProcess
  readonly open: (name: string) => Promise<WireClient>
}

async function beside(
  bench: Bench,
  ends: Ends,
  what: string,
  attack: (scene: Scene) => Promise<unknown>
): Promise<{ slowestMs: number; grownMb: number }> {
  bench.progress.show(`budgets: beside ${what}`)
  const certs = temporaryFolder(ends)
  await initAuthority({ dir: certs })
  for (const name of ['neighbour', 'greedy', ...hostileNames]) await issueDevice({ dir: certs, name })
  const database = await (await bench.databases()).fresh()
  ends.after(() => database.close())
  const server = await ServerProcess.create(certs, database.url)
  server.start()
  ends.after(() => server.end('SIGTERM'))
  await server.ready()
  const open = async (name: string): Promise<WireClient> => {
    const client = new WireClient({ certs, name, port: server.mqttPort, clientId: name })
    ends.after(() => client.destroy())
    await client.connect()
    return client
  }
  await historyWorks(server)
  const neighbour = new Neighbour(await open('neighbour'), 'neighbour')
  const startMb = server.rssMb()
  let mostMb = startMb
  const watching = setInterval(() => {
    mostMb = Math.max(mostMb, server.rssMb())
  }, 50)
  try {
    await attack({ certs, server, open })
  } finally {
    clearInterval(watching)
  }
  await neighbour.stop()
  return { slowestMs: neighbour.slowestMs, grownMb: mostMb - startMb }
}

/** A client that sends without waiting for acknowledgements. */
async function floodOf({ open }: Scene): Promise<void> {
  const greedy = await open('greedy')
  // Counts bytes and does not parse packets: the many objects of a parser would flood this process.
  const pubackBytes = 4
  let acknowledged = 0
  greedy.socket.removeAllListeners('data')
  greedy.socket.on('data', chunk => {
    acknowledged += chunk.length / pubackBytes
  })
  const baseMs = Date.now() - floodMessages
  for (let sent = 0; sent < floodMessages; ) {
    greedy.socket.cork()
    for (let n = 0; n < writeMessages; n++, sent++) {
      const payload = envelope(sent, new Date(baseMs + sent).toISOString())
      greedy.publish('chargers/greedy/PowerOutput', payload, { messageId: (sent % 65_535) + 1 })
    }
    greedy.socket.uncork()
    if (greedy.socket.writableNeedDrain) await new Promise(resolve => greedy.socket.once('drain', resolve))
  }
  while (acknowledged < floodMessages && !greedy.closed) await sleep(50)
}

/**
 * Waits until the server's history thread has worked once. The thread starts some seconds after the server, and its
 * memory must not count as growth by an attack.
 */
async function historyWorks(server: ServerProcess): Promise<void> {
  const derived = 'chargelift_maintenance_last_success_timestamp_seconds'
  while (((await server.metrics()).get(derived) ?? 0) === 0) await sleep(100)
}
