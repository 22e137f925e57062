// Runs maintenance in a thread of its own, so that deriving history delays no acknowledgement. A thread that dies is
// reported and started again. While the server stores many messages, the thread works a tenth of the time.

import { Worker } from 'node:worker_threads'
import { isBinary, readAssetText } from '../../model/assets.ts'
import { historyBusyMessagesPerSecond, historyIntervalMs, historyStartDelayMs } from './limits.ts'
import type { MaintenanceRun } from './maintenance.ts'
import type { ThreadData, ThreadMessage } from './thread.ts'

export interface HistoryThreadOptions extends Omit<ThreadData, 'busy'> {
  /** The number of messages stored so far. */
  readonly committed: () => number
  /** Called with each failure that Maintenance reports, and when the thread dies. */
  readonly failed: (reason: string, charger?: string) => void
}

const lookMs = 1_000

export class HistoryThread {
  readonly #options: HistoryThreadOptions
  readonly #busy = new Int32Array(new SharedArrayBuffer(4))
  #last: MaintenanceRun | undefined
  #succeededAtMs: number | undefined
  #worker: Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: HistoryThreadOptions) {
    this.#options = options
  }

  /**
   * The newest run of this server. Undefined before the first run, and when another server has run maintenance since.
   */
  get last(): MaintenanceRun | undefined {
    return this.#last
  }

  get succeededAtMs(): number | undefined {
    return this.#succeededAtMs
  }

  /** Starts the thread a little later. Returns a function that stops the thread and cuts off a current run. */
  start(): () => Promise<void> {
    this.#startIn(historyStartDelayMs)
    const stopLooking = this.#watchBusy()
    return async () => {
      this.#stopped = true
      clearTimeout(this.#timer)
      stopLooking()
      const worker = this.#worker
      if (worker === undefined) return
      const ended = new Promise(resolve => worker.once('exit', resolve))
      worker.postMessage('stop')
      await ended
    }
  }

  #startIn(ms: number): void {
    this.#timer = setTimeout(() => this.#startThread(), ms).unref()
  }

  #startThread(): void {
    const { databaseUrl, node, retentionMs } = this.#options
    const options = {
      name: 'history',
      workerData: { databaseUrl, node, retentionMs, busy: this.#busy.buffer as SharedArrayBuffer } satisfies ThreadData,
      resourceLimits: { maxYoungGenerationSizeMb: 8 }
    }
    const worker = isBinary
      ? new Worker(readAssetText('history.js'), { ...options, eval: true })
      : new Worker(new URL('./thread.ts', import.meta.url), options)
    worker.unref()
    this.#worker = worker
    worker.on('message', ({ last, failures }: ThreadMessage) => {
      this.#last = last
      if (last !== undefined && last.failure === undefined) this.#succeededAtMs = last.endedAtMs
      for (const { reason, charger } of failures) this.#options.failed(reason, charger)
    })
    worker.on('error', error => {
      const failure = `its thread died: ${(error as Error).message}`
      this.#last = { endedAtMs: Date.now(), tookMs: 0, failure, failing: [] }
      this.#options.failed((error as Error).message)
    })
    worker.on('exit', () => {
      this.#worker = undefined
      if (!this.#stopped) this.#startIn(historyIntervalMs)
    })
  }

  #watchBusy(): () => void {
    let before = this.#options.committed()
    const timer = setInterval(() => {
      const committed = this.#options.committed()
      const isBusy = (committed - before) * 1_000 > historyBusyMessagesPerSecond * lookMs
      Atomics.store(this.#busy, 0, Number(isBusy))
      before = committed
    }, lookMs).unref()
    return () => clearInterval(timer)
  }
}
