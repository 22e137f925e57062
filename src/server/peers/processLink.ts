// Links one of several processes to the others. The first process serves the HTTP port for all, and asks the others for
// their metrics, figures and readiness. The primary process (processes.ts) passes questions and answers on.

import { AggregatorRegistry } from 'prom-client'
import type { Readiness } from '../http/health.ts'
import type { IngestShare } from '../monitoring/ingestOfAll.ts'

export type Question = 'metrics' | 'readiness' | 'ingest'

/** Messages between a process and the primary. */
export type Message =
  | { readonly kind: 'listening'; readonly mqttPorts: readonly number[]; readonly httpPort: number }
  | { readonly kind: 'ask'; readonly id: number; readonly what: Question }
  | { readonly kind: 'question'; readonly id: string; readonly what: Question }
  | { readonly kind: 'answer'; readonly id: string; readonly body: unknown }
  /** In the order of the processes. Null for a process that does not answer. */
  | { readonly kind: 'answers'; readonly id: number; readonly bodies: readonly unknown[] }
  | { readonly kind: 'stop' | 'reload' }

export interface Answers {
  metrics(): Promise<object[]> | undefined
  readiness(): Promise<Readiness> | Readiness
  ingest(): IngestShare | undefined
}

/** Gauges that are the same in all processes, or of which the worst counts. All others are added up. */
const aggregators: Readonly<Record<string, 'min' | 'max'>> = {
  chargelift_certificate_expiry_seconds: 'min',
  chargelift_crl_expiry_seconds: 'min',
  chargelift_database_up: 'min',
  chargelift_crl_expired: 'max',
  chargelift_reload_failed: 'max',
  chargelift_chargers: 'max',
  chargelift_chargers_known: 'max',
  chargelift_database_failed_jobs: 'max',
  chargelift_maintenance_failed: 'max',
  chargelift_maintenance_failing_chargers: 'max',
  chargelift_maintenance_last_success_timestamp_seconds: 'max'
}

export class ProcessLink {
  readonly #answers: Answers
  readonly #waiting = new Map<number, (bodies: readonly unknown[]) => void>()
  #asked = 0

  constructor(answers: Answers) {
    this.#answers = answers
    process.on('message', (message: Message) => void this.#take(message))
  }

  listening(mqttPorts: readonly number[], httpPort: number): void {
    this.#send({ kind: 'listening', mqttPorts, httpPort })
  }

  /** Of all processes together. */
  async metrics(contentType: string): Promise<{ contentType: string; body: string }> {
    const all = (await this.#ask('metrics')).filter(body => body !== null) as { name: string; aggregator?: string }[][]
    for (const metric of all.flat()) metric.aggregator = aggregators[metric.name] ?? metric.aggregator ?? 'sum'
    const registry = AggregatorRegistry.aggregate(all)
    return { contentType, body: await registry.metrics() }
  }

  /** Ready when all processes are ready. The reasons name the process. */
  async readiness(): Promise<Readiness> {
    const all = (await this.#ask('readiness')) as readonly (Readiness | null)[]
    const reasons = all.flatMap((one, i) =>
      one === null ? [`process ${i + 1} does not answer`] : one.reasons.map(reason => `process ${i + 1}: ${reason}`)
    )
    const warnings = [...new Set(all.flatMap(one => one?.warnings ?? []))]
    return { ready: reasons.length === 0 && all.every(one => one?.ready), reasons, warnings }
  }

  /** In the order of the processes. Null for a process that does not answer. */
  async ingest(): Promise<readonly (IngestShare | null)[]> {
    return (await this.#ask('ingest')) as readonly (IngestShare | null)[]
  }

  #ask(what: Question): Promise<readonly unknown[]> {
    const id = ++this.#asked
    return new Promise(resolve => {
      this.#waiting.set(id, resolve)
      this.#send({ kind: 'ask', id, what })
    })
  }

  async #take(message: Message): Promise<void> {
    if (message.kind === 'question') {
      const body = (await this.#answers[message.what]()) ?? null
      this.#send({ kind: 'answer', id: message.id, body })
    } else if (message.kind === 'answers') {
      this.#waiting.get(message.id)?.(message.bodies)
      this.#waiting.delete(message.id)
    }
  }

  /** The primary may be gone: then this process ends by itself. */
  #send(message: Message): void {
    if (process.connected) process.send?.(message, undefined, undefined, () => {})
  }
}
