// What is known of a charger, from the shadow's entries: values, presence and EdgeStatus. An EdgeStatus is any JSON
// that an edge sent, so a member of the wrong type counts as absent. Each entry is parsed once, however often it is
// used.

import type { ShadowEntry } from '../../../broker/shadow.ts'
import { valueNames } from '../../../model/wire/chargerState.ts'
import { readEdgeStatus } from '../../../model/wire/edgeStatus.ts'
import { connectionName, edgeStatusName } from '../../../model/wire/topics.ts'

/** Times are ms since the Unix epoch. */
export interface ChargerFacts {
  /** SamplingTime of the newest value. */
  readonly sampledMs: number | undefined
  /** Undefined for a charger whose edge was never connected. */
  readonly connection: { readonly isOnline: boolean; readonly sinceMs: number } | undefined
  readonly state: { readonly word: string; readonly sinceMs: number } | undefined
  /** The charger's own word for its state. A function, because it is rarely needed. */
  readonly ownWord: () => string | undefined
  readonly edge: EdgeFacts | undefined
}

/** Of an EdgeStatus; times are ms since the Unix epoch. */
export interface EdgeFacts {
  readonly timeMs: number
  readonly version: string | undefined
  readonly clock: string | undefined
  readonly certificateEndsMs: number | undefined
  readonly unsentSamples: number
  readonly oldestUnsentMs: number | undefined
  readonly dropped: number
  readonly thinned: number
  readonly reachability: string | undefined
  readonly reachabilitySinceMs: number | undefined
}

/** The entries of one charger by value name. */
export type Entries = ReadonlyMap<string, ShadowEntry>

export class FactReader {
  /** What was parsed of an entry, and from which payload: the entry itself moves forward in place. */
  readonly #edges = new WeakMap<ShadowEntry, { readonly payload: string; readonly facts: EdgeFacts }>()

  /** Undefined for a charger that never sent anything, as when a request names an unknown one. */
  read(entries: Entries): ChargerFacts | undefined {
    const sampledUs = newestUs(entries)
    const status = entries.get(edgeStatusName)
    if (sampledUs === undefined && status === undefined) return undefined
    const connection = entries.get(connectionName)
    const state = entries.get('OperationState')
    return {
      sampledMs: sampledUs === undefined ? undefined : sampledUs / 1000,
      connection: connection && { isOnline: wordOf(connection) === 'online', sinceMs: connection.timeUs / 1000 },
      state: state && { word: wordOf(state), sinceMs: state.timeUs / 1000 },
      ownWord: () => ownWordOf(entries.get('ChargerStatus')),
      edge: status && this.#edgeOf(status)
    }
  }

  #edgeOf(entry: ShadowEntry): EdgeFacts {
    const known = this.#edges.get(entry)
    if (known?.payload === entry.payload) return known.facts
    const facts = readEdge(entry)
    this.#edges.set(entry, { payload: entry.payload, facts })
    return facts
  }
}

function newestUs(entries: Entries): number | undefined {
  let newest: number | undefined
  for (const name of valueNames) {
    const timeUs = entries.get(name)?.timeUs
    if (timeUs !== undefined && (newest === undefined || timeUs > newest)) newest = timeUs
  }
  return newest
}

/** The Value of a canonical envelope that is a word without escapes: a state, or presence. */
function wordOf({ payload }: ShadowEntry): string {
  const end = payload.length - 2
  return payload.slice(payload.lastIndexOf('"', end - 1) + 1, end)
}

function ownWordOf(entry: ShadowEntry | undefined): string | undefined {
  if (entry === undefined) return undefined
  const { Value } = JSON.parse(entry.payload)
  return typeof Value === 'string' && Value !== '' ? Value : undefined
}

function readEdge({ timeUs, payload }: ShadowEntry): EdgeFacts {
  const status = readEdgeStatus(JSON.parse(payload))
  return {
    timeMs: timeUs / 1000,
    version: status.Version,
    clock: status.Clock,
    certificateEndsMs: msOf(status.CertificateExpiry),
    unsentSamples: status.UnsentSamples ?? 0,
    oldestUnsentMs: msOf(status.OldestUnsent),
    dropped: status.Dropped ?? 0,
    thinned: status.Thinned ?? 0,
    reachability: status.Reachability,
    reachabilitySinceMs: msOf(status.ReachabilitySince)
  }
}

const msOf = (time: string | undefined): number | undefined => (time === undefined ? undefined : Date.parse(time))
