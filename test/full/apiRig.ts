// The shared base of the tests of the HTTP API: a whole server on a separate database, and a token of each role.

import pg from 'pg'
import { type AccessRole, addToken } from '../../src/server/access/tokens.ts'
import type { ServerConfig } from '../../src/server/config.ts'
import type { RunningServer } from '../../src/server/server.ts'
import type { Harness } from '../harness.ts'

export interface Fleet {
  readonly server: RunningServer
  readonly databaseUrl: string
  readonly token: (role: AccessRole) => string
  readonly get: <Answer>(path: string, role?: AccessRole) => Promise<Answer>
  readonly ask: (path: string, role?: AccessRole, headers?: Record<string, string>) => Promise<Response>
  readonly db: pg.Client
}

export async function openFleet(
  harness: Harness,
  overrides: Partial<ServerConfig> = {},
  given?: string
): Promise<Fleet> {
  const databaseUrl = given ?? (await harness.database())
  const server = await harness.server(databaseUrl, overrides)
  const db = await harness.session(databaseUrl)
  const tokens = new Map<AccessRole, string>()
  const pool = new pg.Pool({ connectionString: databaseUrl })
  for (const role of ['viewer', 'billing', 'operator'] as const) {
    tokens.set(role, (await addToken(pool, { name: role, role, expiresAt: undefined }))!)
  }
  await pool.end()
  const token = (role: AccessRole): string => tokens.get(role)!
  const ask: Fleet['ask'] = (path, role = 'operator', headers = {}) =>
    fetch(`http://127.0.0.1:${server.httpPort}${path}`, {
      headers: { authorization: `Bearer ${token(role)}`, ...headers }
    })
  const get: Fleet['get'] = async (path, role) => (await (await ask(path, role)).json()) as never
  return { server, databaseUrl, token, get, ask, db }
}
