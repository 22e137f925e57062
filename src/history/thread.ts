// The thread of maintenance: takes its turns, says to the server what became of each. The system gives it time last (nice),
// as far as it lets a thread do that.

import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { Maintenance, type MaintenanceRun } from './maintenance.ts'
import { deriveSessions } from './sessions.ts'

export interface ThreadData {
  readonly databaseUrl: string
  readonly node: string
  readonly retentionMs: number | undefined
  /** One Int32: not 0 while the server is busy storing. */
  readonly busy: SharedArrayBuffer
}

/** From the thread; `last` as Maintenance has it. */
export interface ThreadMessage {
  readonly last: MaintenanceRun | undefined
}

const { databaseUrl, node, retentionMs, busy } = workerData as ThreadData
const isBusy = new Int32Array(busy)

try {
  setPriority(0, 10) // on Linux: of this thread alone
} catch {
  // Where it may not, it works like the others.
}

const maintenance = new Maintenance({
  databaseUrl,
  node,
  retentionMs,
  derive: [deriveSessions],
  failed: () => {}, // it is in `last`
  isBusy: () => Atomics.load(isBusy, 0) !== 0
})
const stop = maintenance.start(() => parentPort!.postMessage({ last: maintenance.last } satisfies ThreadMessage))
// The only message to it: that it shall end.
parentPort!.once('message', async () => {
  await stop()
  parentPort!.close()
})
