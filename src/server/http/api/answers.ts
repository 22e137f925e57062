// The answers of the API as zod schemas. The OpenAPI document is made of them, and a test checks real answers by them.
// The types that everything else uses are in model/api; the compiler checks that both agree.

import { z } from 'zod'
import { energyResolutions } from '../../../history/query/energy.ts'
import { bucketColumns, rawColumns } from '../../../history/query/readings.ts'
import type * as api from '../../../model/api/api.ts'
import { conditions } from '../../../model/api/problem.ts'
import { valueNames } from '../../../model/wire/chargerState.ts'
import { sentEdgeStatus } from '../../../model/wire/edgeStatus.ts'

const time = z.iso.datetime({ offset: true })
const value = z.union([z.number(), z.string()])
const text = z.string().nullable()
const number = z.number().nullable()
const next = z
  .string()
  .exactOptional()
  .meta({ description: 'Pass it as `after` to get what follows; absent at the end.' })
const valueName = z.enum(valueNames as [api.LiveReading['name'], ...api.LiveReading['name'][]])
const connectionState = z.enum(['online', 'offline'])
const condition = z.enum(conditions) satisfies z.ZodType<api.ProblemCondition>

const chargerSummary = z.strictObject({
  name: z.string(),
  site: text,
  label: text,
  serial: text,
  connection: connectionState.nullable(),
  connectionSince: time.nullable(),
  lastSampleTime: time.nullable(),
  values: z.partialRecord(valueName, z.strictObject({ time, value })),
  energyTodayWh: z.number().nullable(),
  problems: z.array(condition)
})
export const chargersAnswer = z.strictObject({
  chargers: z.array(chargerSummary),
  next
}) satisfies z.ZodType<api.ChargersAnswer>
export const chargerAnswer = z.strictObject({
  ...chargerSummary.shape,
  timeZone: z.string(),
  tariff: text,
  edgeStatus: sentEdgeStatus.nullable()
}) satisfies z.ZodType<api.ChargerAnswer>

export const messagesAnswer = z.strictObject({
  charger: z.string(),
  messages: z.array(z.strictObject({ time, values: z.partialRecord(valueName, value) }))
}) satisfies z.ZodType<api.MessagesAnswer>

export const readingsAnswer = z.strictObject({
  charger: z.string(),
  from: time,
  to: time,
  resolution: z.enum(['raw', '1m', '15m', '1h', '1d']),
  timeZone: z.string(),
  columns: z.array(z.enum([...rawColumns, ...bucketColumns])),
  rows: z.array(z.array(z.union([z.number(), z.string(), z.null()]))),
  next
}) satisfies z.ZodType<api.ReadingsAnswer>

export const sitesAnswer = z.strictObject({
  sites: z.array(z.strictObject({ name: z.string(), timeZone: z.string(), chargers: z.int() }))
}) satisfies z.ZodType<api.SitesAnswer>

export const sessionsAnswer = z.strictObject({
  sessions: z.array(
    z.strictObject({
      charger: z.string(),
      startedAt: time,
      endedAt: time.nullable(),
      energyWh: z.number(),
      peakPowerW: number,
      vehicle: z.string(),
      interruptions: z.int(),
      meterStartWh: number,
      meterEndWh: number,
      estimated: z.boolean(),
      costAmount: number,
      currency: text
    })
  ),
  next
}) satisfies z.ZodType<api.SessionsAnswer>

const moment = z.union([time, z.iso.date()])
export const energyAnswer = z.strictObject({
  from: moment,
  to: moment,
  resolution: z.enum(energyResolutions),
  energy: z.array(
    z.strictObject({ charger: z.string(), time, energyWh: z.number(), powerMeanW: number, powerMaxW: number })
  ),
  next
}) satisfies z.ZodType<api.EnergyAnswer>
