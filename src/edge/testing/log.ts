// A real logger whose lines a test can read.

import { type Logger, pino } from 'pino'

export interface LogLine {
  readonly event?: string
  readonly [key: string]: unknown
}

export interface ReadableLog {
  readonly log: Logger
  readonly lines: LogLine[]
  /** The log text as it would have been written. */
  text(): string
  events(): string[]
}

export function readableLog(): ReadableLog {
  const written: string[] = []
  const lines: LogLine[] = []
  const log = pino(
    { level: 'trace', base: null },
    {
      write: line => {
        written.push(line)
        lines.push(JSON.parse(line))
      }
    }
  )
  return { log, lines, text: () => written.join(''), events: () => lines.map(({ event }) => event ?? '') }
}
