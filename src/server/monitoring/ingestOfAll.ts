// The ingest figures of a server of several processes: the first process asks the others every second, and adds up.

import type { IngestFigures, Quantiles } from '../../model/api/api.ts'
import { secondsBuckets } from './recorder.ts'
import { quantileOf } from './weightedHistogram.ts'

/** What a process reports of itself: its figures, and the gains of its histograms in the last minute, by bucket. */
export interface IngestShare {
  readonly figures: IngestFigures
  readonly commits: readonly number[]
  readonly acks: readonly number[]
}

const askIntervalMs = 1_000

/** Asks until `stop`. Before the first answer the figures are those of this process. */
export class IngestOfAll {
  readonly #own: () => IngestFigures
  readonly #ask: () => Promise<readonly (IngestShare | null)[]>
  #shares: readonly IngestShare[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(own: () => IngestFigures, ask: () => Promise<readonly (IngestShare | null)[]>) {
    this.#own = own
    this.#ask = ask
  }

  watch(): () => Promise<void> {
    const turn = async (): Promise<void> => {
      await this.look()
      if (this.#timer !== undefined) this.#timer = setTimeout(turn, askIntervalMs).unref()
    }
    this.#timer = setTimeout(turn, 0).unref()
    return async () => {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  async look(): Promise<void> {
    this.#shares = (await this.#ask()).filter(share => share !== null)
  }

  figures(): IngestFigures {
    return this.#shares.length === 0 ? this.#own() : merged(this.#shares)
  }
}

/**
 * Merges one share or more. What all processes know alike is taken from the first. Of a state that can be good or bad,
 * the worst counts.
 */
export function merged(shares: readonly IngestShare[]): IngestFigures {
  const all = shares.map(({ figures }) => figures)
  const first = all[0]!
  const sum = (of: (figures: IngestFigures) => number): number => all.reduce((total, each) => total + of(each), 0)
  const rejected: Record<string, number> = {}
  for (const each of all)
    for (const [reason, count] of Object.entries(each.rejected)) rejected[reason] = (rejected[reason] ?? 0) + count
  const down = all.find(({ database }) => !database.up)?.database ?? first.database
  return {
    ...first,
    node: first.node.replace(/\.\d+$/, ''),
    receivedPerSecond: rounded(sum(each => each.receivedPerSecond)),
    committedPerSecond: rounded(sum(each => each.committedPerSecond)),
    rejectedPerSecond: rounded(sum(each => each.rejectedPerSecond)),
    rowsPerSecond: rounded(sum(each => each.rowsPerSecond)),
    received: sum(each => each.received),
    committed: sum(each => each.committed),
    dropped: sum(each => each.dropped),
    inFlight: sum(each => each.inFlight),
    rejected,
    batchSeconds: quantilesOf(shares.map(({ commits }) => commits)),
    ackSeconds: quantilesOf(shares.map(({ acks }) => acks)),
    lanes: all.flatMap(({ lanes }) => lanes).map((lane, number) => ({ ...lane, lane: number })),
    database: { ...down, failedJobs: Math.max(...all.map(({ database }) => database.failedJobs)) },
    connections: sum(each => each.connections),
    memory: { usedBytes: sum(({ memory }) => memory.usedBytes), limitBytes: sum(({ memory }) => memory.limitBytes) }
  }
}

function quantilesOf(parts: readonly (readonly number[])[]): Quantiles | null {
  const counts = parts[0]!.map((_, bucket) => parts.reduce((total, part) => total + part[bucket]!, 0))
  const [p50, p99] = [quantileOf(0.5, secondsBuckets, counts), quantileOf(0.99, secondsBuckets, counts)]
  return p50 === undefined || p99 === undefined ? null : { p50, p99 }
}

const rounded = (value: number): number => Math.round(value * 10) / 10
