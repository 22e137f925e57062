// An endpoint of the API, described once: its route, the check of its parameters and its part of the OpenAPI document
// come from one description. Faults of the caller are 400 or 404, and list everything that is wrong. A database that
// does not answer is 503.

import type { Pool } from 'pg'
import type { z } from 'zod'
import type { ApiError } from '../../../model/api/api.ts'
import type { Caller } from '../../access/access.ts'
import type { AccessRole } from '../../access/tokens.ts'
import { type Call, json, type Route } from '../routes.ts'
import { type Parameters, readParameters, type Values } from './parameters.ts'

export interface Asking<P extends Parameters> extends Call {
  readonly caller: Caller
  readonly values: Values<P>
}

type Answers = z.ZodType | readonly string[]
type AnswerOf<A extends Answers> = A extends z.ZodType ? Frozen<z.output<A>> & object : Response
/** Answers are read-only: schemas have no such types of their own. */
type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Frozen<T[Name]> }
    : T

export interface Endpoint<Parts, P extends Parameters = Parameters, A extends Answers = Answers> {
  /** As in OpenAPI: `/api/v1/chargers/{name}`. */
  readonly path: string
  readonly needs: AccessRole
  readonly summary: string
  readonly parameters: P
  /** What status 200 returns: JSON of this schema, or else bytes of one of these types. */
  readonly answers: A
  readonly run: (parts: Parts, asking: Asking<P>) => Promise<AnswerOf<A>> | AnswerOf<A>
}

/** Infers the types of the parameters, and checks that `run` returns what `answers` promises. */
export const endpoint = <Parts, P extends Parameters, A extends Answers>(
  described: Endpoint<Parts, P, A>
): Endpoint<Parts> => described as unknown as Endpoint<Parts>

/** Ends an answer with a status of its own. */
export class ApiFault extends Error {
  readonly status: number
  readonly body: ApiError
  constructor(status: number, body: ApiError) {
    super(body.error)
    this.status = status
    this.body = body
  }
}

export const wrongParameter = (parameter: string, expected: string, found: string): ApiFault =>
  badRequest([{ parameter, expected, found }])

const badRequest = (faults: NonNullable<ApiError['faults']>): ApiFault => {
  const sentences = faults.map(({ parameter, expected, found }) => `${parameter}: expected ${expected}, found ${found}`)
  return new ApiFault(400, { error: sentences.join('; '), code: 'bad_parameter', faults })
}

/** `parts` is undefined until the server has what the endpoints read. */
export const routesOf = <Parts>(endpoints: readonly Endpoint<Parts>[], parts: () => Parts | undefined): Route[] =>
  endpoints.map(described => ({
    method: 'GET',
    path: honoPath(described.path),
    needs: described.needs,
    answer: async (call: Call, caller: Caller) => {
      const { context } = call
      try {
        const answer = await answerTo(described, call, caller, parts())
        return answer instanceof Response ? answer : json(context, 200, answer)
      } catch (error) {
        const fault = error instanceof ApiFault ? error : databaseFault(error)
        if (fault === undefined) throw error
        if (fault.status === 503) context.header('retry-after', '5')
        return json(context, fault.status, fault.body)
      }
    }
  }))

const honoPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1')

async function answerTo<Parts>(
  { path, parameters, run }: Endpoint<Parts>,
  call: Call,
  caller: Caller,
  parts: Parts | undefined
): Promise<object> {
  if (parts === undefined) throw new ApiFault(503, { error: 'starting: the database has not answered yet' })
  const { req } = call.context
  const inPath = Object.fromEntries(
    [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name!, [req.param(name!) as string]])
  )
  const read = readParameters(parameters, { ...req.queries(), ...inPath })
  if ('faults' in read) throw badRequest(read.faults)
  return run(parts, { ...call, caller, values: read.values })
}

/** Undefined when the error is a fault of ours. */
function databaseFault(error: unknown): ApiFault | undefined {
  const { code = '', message = '' } = Object(error) as { code?: string; message?: string }
  if (code === '57014') {
    return new ApiFault(503, { error: 'the query took too long: ask for less at once', code: 'too_slow' })
  }
  const isAway =
    /^(08|53|57|58)|^40001$|^E[A-Z]+$/.test(code) || /timeout|Connection terminated|not queryable/i.test(message)
  return isAway
    ? new ApiFault(503, { error: 'the database does not answer, try again', code: 'database_away' })
    : undefined
}

/** A pool that only reads. Its sessions can change nothing, and long statements are given up. */
export type ReadPool = Pick<Pool, 'query' | 'connect'>
