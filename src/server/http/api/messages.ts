// The newest stored rows of one charger, unchanged, for finding out what exactly it sent.

import { newestRows } from '../../../history/query/rawRows.ts'
import type { MessagesAnswer } from '../../../model/api/api.ts'
import { valueNames } from '../../../model/wire/chargerState.ts'
import type { Value } from '../../../model/wire/envelope.ts'
import type { Caller } from '../../access/access.ts'
import { masked } from '../../access/mask.ts'
import { messagesAnswer } from './answers.ts'
import { type FleetParts, noCharger } from './chargers.ts'
import { endpoint, type ReadPool } from './endpoint.ts'
import { messagesPageDefault, messagesPageMax } from './limits.ts'
import { chargerInPath, limitOf } from './parameters.ts'

export const messages = endpoint({
  path: '/api/v1/chargers/{name}/messages',
  needs: 'viewer',
  summary: 'The newest rows of a charger as they are stored, newest first: what changed at each SamplingTime.',
  parameters: { name: chargerInPath, limit: limitOf(messagesPageDefault, messagesPageMax) },
  answers: messagesAnswer,
  async run(
    { newest, registry, db }: FleetParts & { readonly db: ReadPool },
    { caller, values: { name, limit } }
  ): Promise<MessagesAnswer> {
    const values = newest.valuesOf(name)
    if (values === undefined && !(await registry.chargers()).has(name)) throw noCharger(name)
    const timesUs = valueNames.map(valueName => values?.get(valueName)?.timeUs ?? Number.NEGATIVE_INFINITY)
    const newestUs = Math.max(...timesUs)
    if (newestUs === Number.NEGATIVE_INFINITY) return { charger: name, messages: [] }
    const rows = await newestRows(db, name, newestUs, limit)
    return { charger: name, messages: rows.map(row => ({ time: row.time, values: maskedValues(caller, row.values) })) }
  }
})

const maskedValues = (caller: Caller, values: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, masked(caller, name, value)]))
