// The OpenAPI document, made of the endpoints. The schemas of parameters and answers are those that validate, so a new
// endpoint appears in it by itself.

import { z } from 'zod'
import { readVersion } from '../../../model/assets.ts'
import { type Endpoint, endpoint } from './endpoint.ts'

const openApiAnswer = z.looseObject({
  openapi: z.string(),
  info: z.looseObject({ title: z.string(), version: z.string() }),
  paths: z.record(z.string(), z.looseObject({ get: z.looseObject({}) }))
})

const apiError = z.looseObject({
  error: z.string(),
  code: z.string().exactOptional(),
  faults: z
    .array(z.strictObject({ parameter: z.string(), expected: z.string(), found: z.string() }))
    .exactOptional()
    .meta({ description: 'Of status 400: all that is wrong with the parameters.' })
})

/** `endpoints` are all endpoints, including this one. */
export const openApiEndpoint = (endpoints: () => readonly Endpoint<never>[]): Endpoint<unknown> =>
  endpoint({
    path: '/api/v1/openapi.json',
    needs: 'viewer',
    summary: 'This document.',
    parameters: {},
    answers: openApiAnswer,
    run: () => openApiDocument(endpoints())
  })

function openApiDocument(endpoints: readonly Endpoint<never>[]): z.output<typeof openApiAnswer> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'chargelift',
      version: readVersion(),
      summary: 'What EV chargers told, and what became of it.',
      description:
        'Read-only. Times are RFC 3339, energy is in Wh, power in W, current in A per phase; what is not known is null. Card ' +
        'ids are *** for the role viewer. Energy and costs are evidence for cost allocation and reimbursement, not metering ' +
        'under calibration law. A database that is asked through --read-database-url may lag behind what was acknowledged.'
    },
    security: [{ token: [] }],
    paths: Object.fromEntries(endpoints.map(described => [described.path, { get: operationOf(described) }])),
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'Made by: chargelift tokens add NAME --role ROLE' }
      },
      schemas: { Error: schemaOf(apiError) },
      responses: {
        BadRequest: errorOf('A parameter is wrong; all that is wrong is told.'),
        Unauthorized: errorOf('No token, or none that is in force.'),
        Forbidden: errorOf('The role of the token does not reach.'),
        NotFound: errorOf('There is no such charger.'),
        Unavailable: errorOf(
          'The server starts, the database does not answer or took too long, or too many ask: try again.'
        )
      }
    }
  }
}

function operationOf({ path, needs, summary, parameters, answers }: Endpoint<never>): Record<string, unknown> {
  const isInPath = (name: string): boolean => path.includes(`{${name}}`)
  return {
    operationId: path.replace('/api/v1/', '').replaceAll(/[{}]/g, '').replaceAll(/\W+/g, '_'),
    summary,
    'x-role': needs,
    parameters: Object.entries(parameters).map(([name, { schema, description }]) => ({
      name,
      in: isInPath(name) ? 'path' : 'query',
      required: isInPath(name),
      description,
      schema: schemaOf(schema)
    })),
    responses: {
      200: { description: 'OK', content: contentOf(answers) },
      400: { $ref: '#/components/responses/BadRequest' },
      401: { $ref: '#/components/responses/Unauthorized' },
      403: { $ref: '#/components/responses/Forbidden' },
      ...(path.includes('{') && { 404: { $ref: '#/components/responses/NotFound' } }),
      503: { $ref: '#/components/responses/Unavailable' }
    }
  }
}

const contentOf = (answers: Endpoint<never>['answers']): object =>
  answers instanceof z.ZodType
    ? { 'application/json': { schema: schemaOf(answers) } }
    : Object.fromEntries((answers as readonly string[]).map(type => [type, { schema: { type: 'string' } }]))

const errorOf = (description: string): object => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } }
})

/** The output of the schema: of a parameter, the value for which its text stands. */
function schemaOf(schema: z.ZodType): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    io: 'output',
    // Zod's own pattern beside a format tells a reader nothing more.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern
    }
  })
  return rest
}
