// Exports as text, a page of rows at a time, in constant memory. The command line and the HTTP API use them.

import {
  type ExportRequest,
  energySource,
  monthSource,
  readingsSource,
  type Source,
  sessionsSource
} from './exportSources.ts'
import { rowText, type TextOptions } from './exportText.ts'

export const exportKinds = ['sessions', 'readings', 'energy', 'month'] as const
export type ExportKind = (typeof exportKinds)[number]

export interface ExportOptions extends ExportRequest, TextOptions {
  readonly kind: ExportKind
  /** Called with the number of rows so far. */
  readonly progress?: (rows: number) => void
}

/** The export in pieces of text. Rejects when a query rejects. No query is open between the pieces. */
export function exportText(options: ExportOptions): AsyncGenerator<string> {
  switch (options.kind) {
    case 'sessions':
      return textOf(sessionsSource(options), options)
    case 'readings':
      return textOf(readingsSource(options), options)
    case 'energy':
      return textOf(energySource(options), options)
    case 'month':
      return textOf(monthSource(options), options)
  }
}

async function* textOf<Row>({ columns, pages }: Source<Row>, options: ExportOptions): AsyncGenerator<string> {
  const text = rowText(columns, options)
  let head: string | undefined = text.head
  let count = 0
  for await (const rows of pages()) {
    count += rows.length
    options.progress?.(count)
    yield (head ?? '') + text.rows(rows)
    head = undefined
  }
  yield (head ?? '') + text.tail()
}
