// The objects that a unit test gives to a stage: a configuration, a log that keeps its lines, a lifetime, and a
// database that answers by rules.

import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { Lifetime } from '../../model/lifetime.ts'
import { parseServerConfig, type ServerConfig } from '../config.ts'
import type { Startup } from '../stages/startup.ts'

export interface TestStartup extends Startup {
  /** The log lines as `level event reason`. */
  readonly lines: string[]
  readonly aborting: AbortController
}

/**
 * Makes the start-up of a server. `config` holds the settings that differ from the defaults, without `--database-url`.
 */
export function testStartup(config: Partial<ServerConfig> = {}): TestStartup {
  const lines: string[] = []
  const at =
    (level: string) =>
    ({ event, reason }: { event: string; reason?: string }): unknown =>
      lines.push([level, event, reason].filter(Boolean).join(' '))
  const log = { info: at('info'), warn: at('warn'), error: at('error') } as unknown as Logger
  const aborting = new AbortController()
  return {
    config: { ...parseServerConfig([], {}, true), nodeId: 'a', mqttPorts: [0], httpPort: 0, ...config },
    log,
    lifetime: new Lifetime({ totalMs: 10_000, leastMs: 500, now: () => 0 }),
    abort: aborting.signal,
    aborting,
    lines
  }
}

export type Answers = (sql: string, values: readonly unknown[]) => readonly unknown[]

/** Answers queries with the rows of `rowsOf`, which may throw. `ended` returns how often the pool was ended. */
export function testDatabase(rowsOf: Answers = () => []): { db: Pool; ended: () => number } {
  let ended = 0
  const query = async (asked: string | { text: string; values?: unknown[] }, values: unknown[] = []) => {
    const rows = typeof asked === 'string' ? rowsOf(asked, values) : rowsOf(asked.text, asked.values ?? values)
    return { rows, rowCount: rows.length }
  }
  const end = async (): Promise<void> => {
    ended++
  }
  return { db: { query, end } as unknown as Pool, ended: () => ended }
}

/** The error of a database that is away. */
export const away = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
