// Makes the generator processes look like one fleet. Each process simulates a share of the chargers.

import { type Child, startChild } from '../load/calls.ts'
import type { GeneratorCalls, GeneratorOptions, Second, Tally } from '../load/generator.ts'
import { Histogram } from '../load/histogram.ts'

export interface CrewOptions extends Omit<GeneratorOptions, 'firstIndex' | 'pollsPerSecond'> {
  readonly processes: number
  /** Polls per second of the whole fleet. */
  readonly pollsPerSecond: number | undefined
}

export interface CrewSecond {
  readonly second: number
  readonly acknowledged: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface OpenReport {
  readonly seconds: number
  readonly resumed: number
  readonly retries: number
  readonly latency: Histogram
}

const generatorFile = new URL('../load/generator.ts', import.meta.url)

export class Crew {
  /** One entry for each whole second since the start. An entry appears when every process has reported the second. */
  readonly seconds: CrewSecond[] = []
  readonly #children: Child<GeneratorCalls>[]
  readonly #told = new Map<number, Second[]>()
  readonly #shares: number[]

  private constructor(children: Child<GeneratorCalls>[], shares: number[]) {
    this.#children = children
    this.#shares = shares
  }

  static async start(options: CrewOptions): Promise<Crew> {
    const { names, processes } = options
    const size = Math.ceil(names.length / processes)
    const children: Child<GeneratorCalls>[] = []
    const crew = new Crew(children, [])
    for (let first = 0; first < names.length; first += size) {
      const share = names.slice(first, first + size)
      const part: GeneratorOptions = {
        ...options,
        names: share,
        firstIndex: first,
        pollsPerSecond:
          options.pollsPerSecond === undefined ? undefined : (options.pollsPerSecond * share.length) / names.length
      }
      crew.#shares.push(share.length / names.length)
      children.push(await startChild<GeneratorCalls>(generatorFile, part, (news: Second) => crew.#tell(news)))
    }
    return crew
  }

  async prepare(): Promise<void> {
    await this.#all(child => child.call('prepare'))
  }

  async open(atOnce: number, resume: boolean): Promise<OpenReport> {
    const startedMs = performance.now()
    const share = Math.max(1, Math.ceil(atOnce / this.#children.length))
    const opened = await this.#all(child => child.call('open', { atOnce: share, resume }))
    const latency = new Histogram()
    for (const part of opened) latency.add(part.latency)
    return {
      seconds: (performance.now() - startedMs) / 1000,
      resumed: sum(opened.map(({ resumed }) => resumed)),
      retries: sum(opened.map(({ retries }) => retries)),
      latency
    }
  }

  async start(): Promise<void> {
    await this.#all(child => child.call('start'))
  }

  /** The figures of the whole fleet, and the latencies since the mark before. */
  async mark(): Promise<Tally & { latency: Histogram }> {
    const marks = await this.#all(child => child.call('mark'))
    const latency = new Histogram()
    for (const mark of marks) latency.add(mark.latency, mark.maxUs)
    return { ...merged(marks), latency }
  }

  async tally(): Promise<Tally> {
    return merged(await this.#all(child => child.call('tally')))
  }

  /** Allows `polls` polls in all. Each process gets its share. */
  async allow(polls: number): Promise<void> {
    await Promise.all(this.#children.map((child, i) => child.call('allow', Math.ceil(polls * this.#shares[i]!))))
  }

  /** Resolves with false when the acknowledgements did not all arrive in time. */
  async stop(timeoutMs: number): Promise<boolean> {
    return (await this.#all(child => child.call('stop', timeoutMs))).every(isDone => isDone)
  }

  /** The ledger of the whole fleet, in the order of the names. */
  async ledger(): Promise<Float64Array> {
    const parts = await this.#all(child => child.call('ledger'))
    const whole = new Float64Array(sum(parts.map(({ length }) => length)))
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  async cut(): Promise<void> {
    await this.#all(child => child.call('cut'))
  }

  async end(): Promise<void> {
    for (const child of this.#children) child.call('exit').catch(() => {})
    await Promise.all(this.#children.map(({ ended }) => ended))
  }

  #tell(news: Second): void {
    const told = [...(this.#told.get(news.second) ?? []), news]
    this.#told.set(news.second, told)
    if (told.length < this.#children.length) return
    this.#told.delete(news.second)
    const latency = new Histogram()
    for (const part of told) latency.add(part.latency)
    const acknowledged = sum(told.map(part => part.acknowledged))
    this.seconds.push({
      second: news.second,
      acknowledged,
      p50Ms: latency.atMs(0.5),
      p99Ms: latency.atMs(0.99)
    })
  }

  #all<T>(work: (child: Child<GeneratorCalls>) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#children.map(work))
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

const merged = (tallies: readonly Tally[]): Tally => ({
  atMs: Math.max(...tallies.map(({ atMs }) => atMs)),
  cpuMs: sum(tallies.map(({ cpuMs }) => cpuMs)),
  rssBytes: sum(tallies.map(({ rssBytes }) => rssBytes)),
  acknowledged: sum(tallies.map(({ acknowledged }) => acknowledged)),
  sent: sum(tallies.map(({ sent }) => sent)),
  waiting: sum(tallies.map(({ waiting }) => waiting)),
  losses: sum(tallies.map(({ losses }) => losses)),
  open: sum(tallies.map(({ open }) => open))
})
