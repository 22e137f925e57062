// The status of the edge, for each of its chargers: `chargers/{charger}/EdgeStatus`, retained. It is sent at every
// connect, on news at most once a minute, and once an hour as a sign of life. Numbers that move with every poll (bytes
// in the spool, samples in flight) are no news; a backlog that doubles or halves is. It is never spooled: the next
// status replaces a lost one. Nothing is sent while the clock cannot be trusted.

import type { EdgeStatus, Reachability } from '../../model/wire/edgeStatus.ts'
import { edgeStatusName, topicOf } from '../../model/wire/topics.ts'
import { nextSamplingTime } from '../time/clock.ts'
import type { Parcel } from './feed.ts'
import { statusIntervalMsMax, statusIntervalMsMin } from './limits.ts'

/** The sources of the status. Every function is cheap, or called at most once a minute. */
export interface StatusSource {
  readonly version: string
  readonly certificateEndsMs: number
  readonly chargers: readonly string[]
  /** ms since the Unix epoch; undefined while the clock cannot be trusted. */
  readonly nowMs: () => number | undefined
  readonly clock?: () => string
  readonly spool: () => SpoolStatus
  readonly charger?: (name: string) => ChargerStatus
}

export interface ChargerStatus {
  readonly implausible: number
  readonly epochs: number
  readonly reachability?: { readonly state: Reachability; readonly sinceMs: number }
}

export interface SpoolStatus {
  readonly usedBytes: number
  readonly unsettledCount: number
  /** Sampling time. */
  readonly oldestUnsettledMs?: number | undefined
  readonly thinned?: number | undefined
  readonly dropped: number
}

type Facts = Omit<EdgeStatus, 'SamplingTime'>
interface Sent {
  readonly facts: Facts
  /** By the monotonic clock. */
  readonly atMs: number
  /** SamplingTime, ms since the Unix epoch. */
  readonly timeMs: number
}

export class StatusReporter {
  readonly #source: StatusSource
  readonly #monotonicMs: () => number
  readonly #sent = new Map<string, Sent>()
  readonly #due = new Set<string>()
  #spool: { readonly status: SpoolStatus; readonly atMs: number } | undefined

  constructor(source: StatusSource, monotonicMs: () => number = () => performance.now()) {
    this.#source = source
    this.#monotonicMs = monotonicMs
  }

  /** Call it at every connect: the last status may not have arrived. */
  connected(): void {
    this.#spool = undefined
    for (const charger of this.#source.chargers) this.#due.add(charger)
  }

  /** Looks for news; true if there is a status to send. Call it every few seconds. */
  look(): boolean {
    for (const charger of this.#source.chargers) if (this.#isDue(charger)) this.#due.add(charger)
    return this.#due.size > 0
  }

  /** The next status to send, one charger at a time, with the current facts. */
  next(): Parcel | undefined {
    const [charger] = this.#due
    const nowMs = charger === undefined ? undefined : this.#source.nowMs()
    if (charger === undefined || nowMs === undefined) return undefined
    const facts = this.#factsOf(charger)
    const timeMs = nextSamplingTime(nowMs, this.#sent.get(charger)?.timeMs)
    this.#sent.set(charger, { facts, timeMs, atMs: this.#monotonicMs() })
    this.#due.delete(charger)
    const status: EdgeStatus = { SamplingTime: isoTime(timeMs), ...facts }
    const message = { topic: topicOf(charger, edgeStatusName), payload: JSON.stringify(status) }
    return { messages: [message], retain: true, dup: false }
  }

  #isDue(charger: string): boolean {
    const sent = this.#sent.get(charger)
    if (sent === undefined) return true
    const ageMs = this.#monotonicMs() - sent.atMs
    if (ageMs < statusIntervalMsMin) return false
    const nowMs = this.#source.nowMs()
    if (nowMs === undefined) return false
    return ageMs >= statusIntervalMsMax || isNews(sent, this.#factsOf(charger), nowMs)
  }

  #factsOf(charger: string): Facts {
    return factsOf(this.#source, charger, this.#spoolStatus())
  }

  /** Counts at most once a minute, for all chargers together: a backlog of weeks is work for the disk of a Pi. */
  #spoolStatus(): SpoolStatus {
    const nowMs = this.#monotonicMs()
    if (this.#spool === undefined || nowMs - this.#spool.atMs >= statusIntervalMsMin) {
      this.#spool = { status: this.#source.spool(), atMs: nowMs }
    }
    return this.#spool.status
  }
}

/** The status of a charger, without its time. */
export function factsOf(source: StatusSource, charger: string, spool: SpoolStatus): Facts {
  const { version, certificateEndsMs, clock } = source
  const { usedBytes, unsettledCount, oldestUnsettledMs, thinned, dropped } = spool
  const { implausible = 0, epochs = 0, reachability } = source.charger?.(charger) ?? {}
  return {
    Version: version,
    ...(clock && { Clock: clock() }),
    CertificateExpiry: isoTime(certificateEndsMs),
    UnsentSamples: unsettledCount,
    ...(oldestUnsettledMs === undefined ? {} : { OldestUnsent: isoTime(oldestUnsettledMs) }),
    SpoolBytes: usedBytes,
    ...(thinned === undefined ? {} : { Thinned: thinned }),
    Dropped: dropped,
    ...(implausible > 0 && { Implausible: implausible }),
    ...(epochs > 0 && { MeterEpochs: epochs }),
    ...(reachability && { Reachability: reachability.state, ReachabilitySince: isoTime(reachability.sinceMs) })
  }
}

/** Samples that are usually in flight, and the bytes of an empty spool. */
const samplesOnTheWay = 32
const bytesOfAnEmptySpool = 1024 * 1024

const exactFacts = [
  'Version',
  'Clock',
  'CertificateExpiry',
  'Thinned',
  'Dropped',
  'MeterEpochs',
  'Reachability'
] as const satisfies readonly (keyof Facts)[]

const isNews = (sent: Sent, now: Facts, nowMs: number): boolean =>
  exactFacts.some(name => sent.facts[name] !== now[name]) ||
  (isBehind(sent.facts, sent.timeMs) && !isBehind(now, nowMs)) ||
  hasMoved(sent.facts.Implausible ?? 0, now.Implausible ?? 0, 0) ||
  hasMoved(sent.facts.UnsentSamples, now.UnsentSamples, samplesOnTheWay) ||
  hasMoved(sent.facts.SpoolBytes, now.SpoolBytes, bytesOfAnEmptySpool)

/** ms. A sample that waits longer is not just in flight. */
const behindAfterMs = 60_000
const isBehind = ({ OldestUnsent }: Facts, nowMs: number): boolean =>
  OldestUnsent !== undefined && nowMs - Date.parse(OldestUnsent) > behindAfterMs

/** True if it has doubled or halved since the last status, and was or is above the usual. */
const hasMoved = (sent: number, now: number, usual: number): boolean =>
  Math.max(sent, now) > usual && (now >= 2 * sent || 2 * now <= sent)

const isoTime = (ms: number): string => new Date(ms).toISOString()
