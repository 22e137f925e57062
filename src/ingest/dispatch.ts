// Hands sealed batches to the Piscina workers. Never throws: a worker that dies is one more reason to keep the batch.
// Piscina replaces a dead thread by itself.

import { Piscina } from 'piscina'
import type { AcceptWindow } from '../model/envelope.ts'
import { acceptFutureMs } from '../model/limits.ts'
import type { Batch } from './batch.ts'
import type { BatchKept, BatchResult } from './outcome.ts'
import type { BatchTask, WriterOptions } from './writer.ts'

export interface DispatchOptions extends WriterOptions {
  readonly workers: number
  /** How far SamplingTime may lie in the past. */
  readonly acceptPastMs: number
}

export class Dispatch {
  readonly #pool: Piscina<BatchTask, BatchResult | BatchKept>
  readonly #acceptPastMs: number

  constructor({ workers, acceptPastMs, databaseUrl }: DispatchOptions) {
    this.#acceptPastMs = acceptPastMs
    this.#pool = new Piscina({
      filename: new URL('./writer.ts', import.meta.url).href,
      name: 'write',
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      // The default blocks a worker's event loop between tasks, and starves its database connection.
      atomics: 'disabled',
      workerData: { databaseUrl } satisfies WriterOptions
    })
    // A dying thread reports to its task; without a listener it would end the process.
    this.#pool.on('error', () => {})
  }

  async store(batch: Batch): Promise<BatchResult | BatchKept> {
    try {
      const task = this.#taskOf(batch)
      return await this.#pool.run(task, { transferList: [task.packed] })
    } catch (error) {
      return { retry: { code: 'worker_died', message: (error as Error).message } }
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  #taskOf(batch: Batch): BatchTask {
    return {
      id: batch.id,
      packed: batch.pack(),
      identities: [...batch.identities],
      receivedAtMs: batch.sealedAtMs,
      window: this.#windowAt(batch.sealedAtMs)
    }
  }

  /** Fixed when the batch was sealed, so that a retry judges alike. */
  #windowAt(ms: number): AcceptWindow {
    return { fromUs: (ms - this.#acceptPastMs) * 1000, toUs: (ms + acceptFutureMs) * 1000 }
  }
}
