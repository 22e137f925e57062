// A lifetime owns what a program started, and closes it in reverse. Each part gets the time that is left of the total
// and is abandoned after it. One part that fails to close keeps no other part open: the errors are told when all are
// closed.

import { atMost } from './atMost.ts'

/** Closes a part. `leftMs` is the time after which the part is abandoned. */
export type Stop = (leftMs: number) => unknown

export interface LifetimeOptions {
  /** Time for all parts together. Absent: no part is abandoned. */
  readonly totalMs?: number
  /** Time of a part whose predecessors have used up the total. */
  readonly leastMs?: number
  /** A clock that never steps back, ms. */
  readonly now?: () => number
  /** Waits for a stop, and at most this long. */
  readonly wait?: typeof atMost
}

export class Lifetime {
  readonly #options: LifetimeOptions
  readonly #stops: Stop[] = []
  #closing: Promise<void> | undefined

  constructor(options: LifetimeOptions = {}) {
    this.#options = options
  }

  /** Call right after a part has started. */
  owns(stop: Stop): void {
    this.#stops.push(stop)
  }

  /**
   * Idempotent. Throws an AggregateError with all errors when a part failed to close; its `cause` is the first error.
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll().then(throwAny)
    return this.#closing
  }

  /**
   * For a start that failed: closes what has started and throws `error`; if parts fail to close, an AggregateError with
   * `error` as its cause.
   */
  async fail(error: unknown): Promise<never> {
    const errors = await this.#closeAll()
    if (errors.length === 0) throw error
    throw aggregate([error, ...errors])
  }

  async #closeAll(): Promise<unknown[]> {
    const { totalMs, leastMs = 0, now = () => performance.now(), wait = atMost } = this.#options
    const byMs = now() + (totalMs ?? Number.POSITIVE_INFINITY)
    const errors: unknown[] = []
    for (const stop of this.#stops.splice(0).reverse()) {
      const leftMs = Math.max(leastMs, byMs - now())
      try {
        const stopped = Promise.resolve(stop(leftMs))
        await (totalMs === undefined ? stopped : wait(leftMs, stopped))
      } catch (error) {
        errors.push(error)
      }
    }
    return errors
  }
}

function throwAny(errors: readonly unknown[]): void {
  if (errors.length > 0) throw aggregate(errors)
}

/** Its message holds the messages of all errors, a line each: a log and the command line show the message alone. */
const aggregate = (errors: readonly unknown[]): AggregateError =>
  new AggregateError(errors, errors.map(error => (error as Error).message).join('\n'), { cause: errors[0] })
