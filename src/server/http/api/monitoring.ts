// Which charger has which problem, and the figures of the ingest path. Both come from memory, also while the database
// is away.

import { z } from 'zod'
import type { IngestFigures, Problem, ProblemsAnswer } from '../../../model/api/api.ts'
import { conditions } from '../../../model/api/problem.ts'
import { endpoint } from './endpoint.ts'
import { charger, oneOf } from './parameters.ts'

export interface MonitoringParts {
  readonly problemList: () => Iterable<Problem>
  readonly figures: () => IngestFigures
}

const time = z.iso.datetime()
const count = z.int().min(0)
const seconds = z.strictObject({ p50: z.number(), p99: z.number() }).nullable()

export const problemsAnswer = z.strictObject({
  problems: z.array(
    z.strictObject({ charger: z.string(), condition: z.enum(conditions), cause: z.string(), since: time })
  )
}) satisfies z.ZodType<ProblemsAnswer>

export const ingestAnswer = z.strictObject({
  time,
  node: z.string(),
  version: z.string(),
  receivedPerSecond: z.number(),
  committedPerSecond: z.number(),
  rejectedPerSecond: z.number(),
  rowsPerSecond: z.number(),
  received: count,
  committed: count,
  dropped: count,
  inFlight: count,
  rejected: z.record(z.string(), count),
  batchSeconds: seconds,
  ackSeconds: seconds,
  lanes: z.array(z.strictObject({ lane: count, backlog: count, late: z.boolean() })),
  database: z.strictObject({ up: z.boolean(), reason: z.string().nullable(), failedJobs: count }),
  connections: count,
  memory: z.strictObject({ usedBytes: count, limitBytes: count }),
  certificateDays: z.int().nullable(),
  chargers: count,
  problems: z.record(z.enum(conditions), count)
}) satisfies z.ZodType<IngestFigures>

const problems = endpoint({
  path: '/api/v1/problems',
  needs: 'viewer',
  summary: 'What is wrong with which charger, in one sentence each, and since when; by charger.',
  parameters: { charger, condition: oneOf(conditions, 'Of this condition alone.') },
  answers: problemsAnswer,
  run({ problemList }: MonitoringParts, { values }): ProblemsAnswer {
    const found = Array.from(problemList()).filter(
      problem =>
        (values.charger === undefined || problem.charger === values.charger) &&
        (values.condition === undefined || problem.condition === values.condition)
    )
    return { problems: found.sort((a, b) => (a.charger < b.charger ? -1 : a.charger > b.charger ? 1 : 0)) }
  }
})

const ingest = endpoint({
  path: '/api/v1/ingest',
  needs: 'viewer',
  summary: 'What comes in and is stored: rates, latencies, lanes, rejected messages, the database.',
  parameters: {},
  answers: ingestAnswer,
  run: ({ figures }: MonitoringParts): IngestFigures => figures()
})

export const monitoringEndpoints = [problems, ingest]
