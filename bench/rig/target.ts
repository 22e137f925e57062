// What a fleet is pointed at: the product, or something to compare it with.

import type { GeneratorOptions } from '../load/generator.ts'
import type { Scrape } from './metrics.ts'
import type { CpuReading } from './processes.ts'

export interface Target {
  readonly name: string
  readonly address: Pick<GeneratorOptions, 'host' | 'port' | 'certs'>
  /** CPU ms of its processes, from their start. Keys of `storing` are what it costs to store a message. */
  cpu(): CpuReading
  readonly storing: readonly string[]
  /** What becomes a row. */
  readonly row: 'poll' | 'message' | 'nothing'
  /** Undefined for a process that is not on this machine. */
  rssBytes(): number | undefined
  metrics(): Promise<Scrape | undefined>
  /** Messages stored so far, where an acknowledgement does not say it; then the fleet waits for it instead. */
  readonly stored: (() => Promise<number>) | undefined
  /** Throws VerifyError unless the acknowledged set is what it holds. */
  verify(ledger: Float64Array): Promise<void>
  close(): Promise<void>
}
