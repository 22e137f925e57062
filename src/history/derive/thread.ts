// The thread of maintenance. It takes turns, and reports the result of each turn to the server. It has a low priority
// (nice), as far as the system allows this for a thread.

import { setPriority } from 'node:os'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { Maintenance, type MaintenanceRun } from './maintenance.ts'
import { deriveSessions } from './sessions.ts'

export interface ThreadData {
  readonly databaseUrl: string
  readonly node: string
  readonly retentionMs: number | undefined
  /** One Int32. It is not 0 while the server is busy storing. */
  readonly busy: SharedArrayBuffer
}

/** The thread sends this after each turn: `last` of Maintenance, and the failures that Maintenance reported. */
export interface ThreadMessage {
  readonly last: MaintenanceRun | undefined
  readonly failures: readonly { readonly reason: string; readonly charger: string | undefined }[]
}

// Outside of a thread this file is only loaded, so that it is in the code cache (cli/server.ts).
if (parentPort !== null) work(parentPort, workerData as ThreadData)

function work(port: MessagePort, { databaseUrl, node, retentionMs, busy }: ThreadData): void {
  const isBusy = new Int32Array(busy)

  try {
    setPriority(0, 10) // on Linux only for this thread
  } catch {
    // Where the thread may not set its priority, it works like the other threads.
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
  // The only message to this thread is the request to stop.
  port.once('message', async () => {
    await stop()
    port.close()
  })
}
