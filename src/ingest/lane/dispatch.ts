// Hands sealed batches to the Piscina workers. It never throws: a batch is kept when its worker dies. Piscina replaces
// a dead thread by itself.

import { Piscina } from 'piscina'
import type { AcceptWindow } from '../../model/wire/envelope.ts'
import { acceptFutureMs } from '../../model/wire/limits.ts'
import type { Batch } from '../batch.ts'
import type { BatchKept, BatchResult, WorkerResult } from '../outcome.ts'
import { ToldTopics } from '../toldTopics.ts'
import type { BatchTask, WriterOptions } from '../worker/writer.ts'
import { columnstoreAgeMs } from './limits.ts'

export interface DispatchOptions extends WriterOptions {
  readonly workers: number
  /** How far SamplingTime may lie in the past, in ms. */
  readonly acceptPastMs: number
  /** Called when a thread ended by an error of its own. The thread is replaced, and its batch is kept. */
  readonly workerDied: (error: Error) => void
}

/** The end of a thread closes a database connection, so a thread must not end at every pause. */
const lateThreadIdleMs = 600_000

export class Dispatch {
  readonly #pool: Piscina<BatchTask, WorkerResult | BatchKept>
  readonly #acceptPastMs: number
  readonly #told = new ToldTopics()

  constructor({ workers, acceptPastMs, databaseUrl, workerDied }: DispatchOptions) {
    this.#acceptPastMs = acceptPastMs
    this.#pool = new Piscina({
      filename: new URL('../worker/writer.ts', import.meta.url).href,
      name: 'write',
      minThreads: workers,
      maxThreads: workers + 1, // one more for the late lane, while it has work
      idleTimeout: lateThreadIdleMs,
      concurrentTasksPerWorker: 1,
      // The default blocks a worker's event loop between tasks, and starves its database connection.
      atomics: 'disabled',
      // The same size that `chargelift server` sets for all threads of V8 (cli/server.ts).
      resourceLimits: { maxYoungGenerationSizeMb: 24 },
      workerData: { databaseUrl } satisfies WriterOptions
    })
    // Without a listener, a dying thread would end the process.
    this.#pool.on('error', error => workerDied(error as Error))
    this.#pool.on('workerDestroy', () => this.#told.keep(new Set(this.#pool.threads.map(({ threadId }) => threadId))))
  }

  /**
   * Stores a batch of an ordinary lane. It stores nothing of the identities with the numbers `lateIdentities`. Of other
   * identities, it stores nothing from their first late row on.
   */
  store(batch: Batch, lateIdentities: readonly number[]): Promise<BatchResult | BatchKept> {
    return this.#store({ ...this.#taskOf(batch), lateIdentities })
  }

  /** Stores a whole batch of the late lane. */
  storeLate(batch: Batch): Promise<BatchResult | BatchKept> {
    return this.#store({ ...this.#taskOf(batch), lateIdentities: undefined })
  }

  async #store(task: BatchTask): Promise<BatchResult | BatchKept> {
    try {
      const result = await this.#pool.run(task, { transferList: [task.packed] })
      if ('retry' in result) return result
      const { newest } = result
      return { ...result, newest: { ...newest, topics: this.#told.textsOf(newest.topics) } }
    } catch (error) {
      return { retry: { code: 'worker_died', message: (error as Error).message } }
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  #taskOf(batch: Batch): Omit<BatchTask, 'lateIdentities'> {
    return {
      id: batch.id,
      packed: batch.pack(),
      identities: [...batch.identities],
      receivedAtMs: batch.sealedAtMs,
      window: this.#windowAt(batch.sealedAtMs),
      lateBeforeUs: (batch.sealedAtMs - columnstoreAgeMs) * 1000
    }
  }

  /** The bounds are fixed when the batch is sealed, so that a retry has the same bounds. */
  #windowAt(ms: number): AcceptWindow {
    return { fromUs: (ms - this.#acceptPastMs) * 1000, toUs: (ms + acceptFutureMs) * 1000 }
  }
}
