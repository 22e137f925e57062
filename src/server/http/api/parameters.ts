// Parameters of the API: each is a zod schema, which validates and goes into the OpenAPI document. All faults are
// reported at once, each with its parameter, what was expected and what was found.

import { z } from 'zod'
import { boundOf, boundRule } from '../../../history/query/within.ts'
import type { ParameterFault } from '../../../model/api/api.ts'
import { parseTime } from '../../../model/wire/envelope.ts'
import { chargerNameRule, isChargerName } from '../../../model/wire/topics.ts'

export interface Parameter<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema
  /** In words, for a fault. */
  readonly expected: string
  readonly description: string
}
export type Parameters = Readonly<Record<string, Parameter>>
export type Values<P extends Parameters> = { readonly [Name in keyof P]: z.output<P[Name]['schema']> }

const digits = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)

export const limitOf = (standard: number, most: number) => ({
  schema: digits.pipe(z.int().min(1).max(most)).default(standard),
  expected: `a whole number, 1 to ${most}`,
  description: `How many at most (${standard}).`
})

export const text = (description: string, longest = 128) => ({
  schema: z.string().min(1).max(longest).optional(),
  expected: `a text of 1 to ${longest} characters`,
  description
})

export const oneOf = <const Words extends readonly [string, ...string[]]>(words: Words, description: string) => ({
  schema: z.enum(words).optional(),
  expected: words.join('|'),
  description
})

export const oneOfOr = <const Words extends readonly [string, ...string[]]>(
  words: Words,
  standard: Words[number],
  description: string
) => ({
  schema: z.enum(words).default(standard as never),
  expected: words.join('|'),
  description: `${description} (${standard}).`
})

const chargerName = z.string().refine(isChargerName)
export const chargerInPath = { schema: chargerName, expected: chargerNameRule, description: 'Name of the charger.' }
export const charger = {
  schema: chargerName.optional(),
  expected: chargerNameRule,
  description: 'Of this charger alone.'
}

const urlRule = ' (in a URL %2B for +)'

export const moment = (description: string) => ({
  schema: z
    .string()
    .refine(text => parseTime(text) !== undefined)
    .meta({ format: 'date-time' })
    .optional(),
  expected: 'RFC 3339 with an offset (2026-10-01T00:00:00Z)',
  description
})

export const bound = (description: string) => ({
  schema: z
    .string()
    .refine(text => boundOf(text) !== undefined)
    .optional(),
  expected: boundRule + urlRule,
  description
})

/**
 * Reads the parameters of a request. Each stands there once, and none is unknown: a typing error must not look like an
 * answer.
 */
export function readParameters<P extends Parameters>(
  parameters: P,
  given: Readonly<Record<string, readonly string[]>>
): { values: Values<P> } | { faults: readonly ParameterFault[] } {
  const faults: ParameterFault[] = []
  const values: Record<string, unknown> = {}
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(parameters, name)) continue
    const expected = `one of ${Object.keys(parameters).join(', ') || 'none'}`
    faults.push({ parameter: name.slice(0, 80), expected, found: 'an unknown parameter' })
  }
  for (const [name, { schema, expected }] of Object.entries(parameters)) {
    const [text, ...more] = given[name] ?? []
    const parsed = schema.safeParse(text)
    if (more.length > 0) faults.push({ parameter: name, expected: 'it once', found: `it ${more.length + 1} times` })
    else if (parsed.success) values[name] = parsed.data
    else faults.push({ parameter: name, expected, found: found(text) })
  }
  return faults.length > 0 ? { faults } : { values: values as Values<P> }
}

const found = (text: string | undefined): string => (text === undefined ? 'nothing' : JSON.stringify(text.slice(0, 80)))
