// The payload of `chargers/{charger}/EdgeStatus`: the edge writes it, the server stores and judges it, the page shows
// it. One schema is its type and its validation. The edge and the page import types alone: neither holds zod in memory.
// A status may come from an older edge, a newer one or a stranger. The server therefore stores any JSON object with a
// SamplingTime (ingest/worker/decode.ts), hands it on as it was sent, and believes a member only if it has the right
// form.

import { z } from 'zod'

/** `ok`: the charger answers. The others say why it does not; charger.ts of the edge explains each. */
export const reachabilities = [
  'ok',
  'timeout',
  'refused',
  'forbidden',
  'wrong_api',
  'wrong_serial',
  'bad_answer'
] as const
export type Reachability = (typeof reachabilities)[number]

const textCharactersMax = 64
const text = z
  .string()
  .min(1)
  .overwrite(value => value.slice(0, textCharactersMax))
/** RFC 3339 in UTC. */
const time = text.refine(value => !Number.isNaN(Date.parse(value)))
const count = z.number().nonnegative()

/** What an edge of this release sends, and nothing else. What an edge cannot know is absent. Well below 8 KB. */
export const edgeStatus = z.strictObject({
  /** When all of this was true. It rises from one status to the next. */
  SamplingTime: time,
  /** Of the edge's software. */
  Version: text,
  /** How far the edge trusts its clock: a `ClockState` of the edge, or the word of another release. */
  Clock: text.exactOptional(),
  /** When the edge's certificate ends. */
  CertificateExpiry: time,
  /** Samples on the edge's disk without acknowledgement, of all its chargers. */
  UnsentSamples: count,
  /** Sampling time of the oldest of them; absent when there is none. */
  OldestUnsent: time.exactOptional(),
  /** Bytes in use in the spool. */
  SpoolBytes: count,
  /** Samples given up since the start of the edge because the spool was full: thinned out, and dropped. */
  Thinned: count.exactOptional(),
  Dropped: count,
  /** Values of this charger left out since the start of the edge because no charger can have them. */
  Implausible: count.exactOptional(),
  /** How often this charger's lifetime meter fell for good, so that the edge went on from the lower reading. */
  MeterEpochs: count.exactOptional(),
  /** One of `reachabilities`, or the word of another release; absent before the first poll. */
  Reachability: text.exactOptional(),
  ReachabilitySince: time.exactOptional()
})
export type EdgeStatus = Readonly<z.infer<typeof edgeStatus>>

/** A status as the server hands it on: all that the edge sent, known or not. */
export const sentEdgeStatus = z.record(z.string(), z.unknown())
export type SentEdgeStatus = Readonly<z.infer<typeof sentEdgeStatus>>

/** The members that are there and have the form of the schema. */
export type ReadEdgeStatus = { readonly [Name in keyof EdgeStatus]?: EdgeStatus[Name] | undefined }

const lenient = z.object(
  Object.fromEntries(
    Object.entries<z.ZodType>(edgeStatus.shape).map(([name, member]) => [name, member.optional().catch(undefined)])
  )
)

/** A member of the wrong form counts as absent, longer texts are cut, other members are ignored. Never throws. */
export const readEdgeStatus = (sent: unknown): ReadEdgeStatus => lenient.safeParse(sent).data ?? {}
