// GET /api/v1/export/...: all rows of a range as a file, CSV or JSON, while they are read. A little at once, with
// pauses, because the thread that makes the text also receives the telemetry. A fault of the database before the first
// row is 503. A later fault breaks the connection, so that a part does not pass for the whole.

import { setTimeout as sleep } from 'node:timers/promises'
import { energyResolutions } from '../../../history/query/energy.ts'
import { type ExportKind, exportKinds, exportText } from '../../../history/query/export.ts'
import { mayReadCards } from '../../access/mask.ts'
import { chargersOf, type FleetParts } from './chargers.ts'
import { ApiFault, type Endpoint, endpoint, type ReadPool } from './endpoint.ts'
import { exportPauseMs, exportPieceRows, exportStillMsMax, exportsMax } from './limits.ts'
import { charger, oneOfOr, text } from './parameters.ts'
import { boundText, rangeParameters, withinOf } from './ranges.ts'

export interface ExportParts extends FleetParts {
  readonly db: ReadPool
  readonly exporting: Exporting
}

/** How many exports run now. */
export class Exporting {
  count = 0
}

const summaries: Readonly<Record<ExportKind, string>> = {
  sessions: 'Charging sessions as a file: those that ended within, and where that reaches the present the open ones.',
  readings: 'Stored readings as a file, by charger and time, carried forward for a day at most.',
  energy: 'Energy by charger and bucket as a file.',
  month: 'The lines of the statements of closed months as a file.'
}

const monthMs = 31 * 86_400_000
const bytesAhead = 64 * 1024

const exportOf = (kind: ExportKind): Endpoint<ExportParts> =>
  endpoint({
    path: `/api/v1/export/${kind}`,
    needs: 'viewer',
    summary: `${summaries[kind]} Card ids, and whose they are, need the role billing: else *** stands there.`,
    parameters: {
      ...rangeParameters,
      charger,
      site: text('Of the chargers of this site, by its name.'),
      format: oneOfOr(['csv', 'json'], 'csv', 'Of the file'),
      separator: oneOfOr(['comma', 'semicolon'], 'comma', 'Of CSV; semicolon: with decimal commas'),
      ...(kind === 'energy' && { resolution: oneOfOr(energyResolutions, '1d', 'Quarter hours, hours, days or months') })
    },
    answers: ['text/csv', 'application/json'],
    async run(parts: ExportParts, { context, caller, values }): Promise<Response> {
      const { from, to, charger, site, format, separator } = values
      const within = withinOf({ from, to }, monthMs)
      const chargers = await chargersOf(parts, charger, site)
      const headers = {
        'content-type': format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8',
        'content-disposition': `attachment; filename="chargelift-${kind}-${dayOf(within.from)}-${dayOf(within.to)}.${format}"`
      }
      if (context.req.method === 'HEAD') return context.body(null, 200, headers)
      const pieces = exportText({
        kind,
        db: parts.db,
        within,
        chargers,
        chargerId: charger === undefined ? undefined : (chargers[0]?.id ?? -1),
        site,
        resolution: (values as { resolution?: (typeof energyResolutions)[number] }).resolution ?? '1d',
        zones: parts.registry.zones,
        nowMs: Date.now(),
        pageRows: exportPieceRows,
        mayReadCards: mayReadCards(caller),
        format,
        separator
      })
      return context.body(await streamOf(pieces, parts.exporting), 200, headers)
    }
  })

export const exportEndpoints = exportKinds.map(exportOf)

const dayOf = (bound: Parameters<typeof boundText>[0]): string => boundText(bound).slice(0, 10)

/** The first piece is read before the answer begins, so that a fault can still be a status. */
async function streamOf(pieces: AsyncGenerator<string>, exporting: Exporting): Promise<ReadableStream<Uint8Array>> {
  if (exporting.count >= exportsMax) {
    throw new ApiFault(503, { error: `expected at most ${exportsMax} exports at once, found more`, code: 'busy' })
  }
  exporting.count++
  let isOver = false
  const end = (): void => {
    clearTimeout(still)
    if (!isOver) exporting.count--
    isOver = true
    pieces.return(undefined).catch(() => {})
  }
  let still: NodeJS.Timeout | undefined
  let first: IteratorResult<string> | undefined
  const next = async (): Promise<IteratorResult<string>> => {
    const known = first
    first = undefined
    if (known !== undefined) return known
    await sleep(exportPauseMs)
    return pieces.next()
  }
  try {
    first = await pieces.next()
  } catch (error) {
    end()
    throw error
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(still)
        try {
          const { done, value } = await next()
          if (isOver) return
          if (done) {
            end()
            controller.close()
            return
          }
          controller.enqueue(encoder.encode(value))
          still = setTimeout(() => {
            end()
            controller.error(new Error(`an export stood still for ${exportStillMsMax / 1000} s`))
          }, exportStillMsMax).unref()
        } catch (error) {
          end()
          controller.error(error)
        }
      },
      cancel: end
    },
    { highWaterMark: bytesAhead, size: bytes => bytes!.byteLength }
  )
}

const encoder = new TextEncoder()
