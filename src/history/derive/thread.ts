// The thread of maintenance: takes its turns, says to the server what became of each. The system gives it time last
// (nice), as far as it lets a thread do that.

import { setPriority } from 'node:os'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { Maintenance, type MaintenanceRun } from './maintenance.ts'
import { deriveSessions } from './sessions.ts'

export interface ThreadData {
  readonly databaseUrl: string
  readonly node: string
  readonly retentionMs: number | undefined
  /** One Int32: not 0 while the server is busy storing. */
  readonly busy: SharedArrayBuffer
}

/** From the thread after each turn; `last` as Maintenance has it, and what it told. */
export interface ThreadMessage {
  readonly last: MaintenanceRun | undefined
  readonly failures: readonly { readonly reason: string; readonly charger: string | undefined }[]
}

// Elsewhere it is only loaded, so that it is in the code cache (cli/server.ts).
if (parentPort !== null) work(parentPort, workerData as ThreadData)

function work(port: MessagePort, { databaseUrl, node, retentionMs, busy }: ThreadData): void {
  const isBusy = new Int32Array(busy)

  try {
    setPriority(0, 10) // on Linux: of this thread alone
  } catch {
    // Where it may not, it works like the others.
  }

  let failures: ThreadMessage['failures'][number][] = []
  const maintenance = new Maintenance({
    databaseUrl,
    node,
    retentionMs,
    derive: [deriveSessions],
    failed: (error, charger) => failures.push({ reason: error.message, charger }),
    isBusy: () => Atomics.load(isBusy, 0) !== 0
  })
  const stop = maintenance.start(() => {
    port.postMessage({ last: maintenance.last, failures } satisfies ThreadMessage)
    failures = []
  })
  // The only message to it: that it shall end.
  port.once('message', async () => {
    await stop()
    port.close()
  })
}
