// The named tokens of the HTTP port, and the sessions of browsers that signed in with one, in the database. A token and
// a session id are 256 random bits each. Only their SHA-256 is stored. Nobody can guess them, so a slow password hash
// would protect nothing and would slow down every request.

import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { sessionsPerTokenMax } from './limits.ts'

/** The roles, the weakest first. Each role may do what the roles before it may do. */
export const accessRoles = ['viewer', 'billing', 'operator'] as const
export type AccessRole = (typeof accessRoles)[number]

/** With this prefix a token is recognised where it does not belong, as in a log or a repository. */
export const tokenPrefix = 'clft_'

export interface ListedToken {
  readonly name: string
  readonly role: AccessRole
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
  readonly revokedAt: Date | null
}

/** The person or program for which a secret stands. */
export interface Grant {
  readonly hash: Buffer
  readonly kind: 'token' | 'session'
  /** Name of the token. */
  readonly name: string
  readonly role: AccessRole
  readonly expiresMs: number
}

export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

const newSecret = (): string => randomBytes(32).toString('base64url')

/** Makes a token and returns it: it is shown this once. Undefined when a token of that name is in force. */
export async function addToken(
  db: Pool,
  { name, role, expiresAt }: { name: string; role: AccessRole; expiresAt: Date | undefined }
): Promise<string | undefined> {
  const token = `${tokenPrefix}${newSecret()}`
  const { rowCount } = await db.query(
    `WITH made AS (
       INSERT INTO access_tokens AS stored (name, role, token_hash, expires_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (name) DO UPDATE SET role = excluded.role, token_hash = excluded.token_hash, created_at = now(),
         expires_at = excluded.expires_at, last_used_at = NULL, revoked_at = NULL
       WHERE stored.revoked_at IS NOT NULL OR stored.expires_at <= now()
       RETURNING name),
     ended AS (DELETE FROM access_sessions WHERE token_name IN (SELECT name FROM made))
     ${auditOf('token_added', 'made')}`,
    [name, role, hashOf(token), expiresAt ?? null, randomUUID(), `role ${role}`]
  )
  return rowCount === 0 ? undefined : token
}

/** False when there is no such token, or it was revoked before. Its sessions end with it. */
export async function revokeToken(db: Pool, name: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH revoked AS (
       UPDATE access_tokens SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL RETURNING name),
     ended AS (DELETE FROM access_sessions WHERE token_name = $1)
     ${auditOf('token_revoked', 'revoked', 2)}`,
    [name, randomUUID(), 'revoked on the command line']
  )
  return rowCount === 1
}

/** In the same statement, so that no token changes without an audit row. */
const auditOf = (event: string, source: string, idAt = 5): string =>
  `INSERT INTO audit_events (id, at, last_at, event, identity, reason)
   SELECT $${idAt}, now(), now(), '${event}', name, $${idAt + 1} FROM ${source}`

export async function listTokens(db: Pool): Promise<ListedToken[]> {
  const { rows } = await db.query<ListedToken>(
    `SELECT name, role, created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt",
       revoked_at AS "revokedAt" FROM access_tokens ORDER BY name`
  )
  return rows
}

/** All tokens and sessions in force, and whether there ever was a token. */
export async function loadGrants(db: Pool): Promise<{ grants: Grant[]; isGuarded: boolean }> {
  const { rows } = await db.query<Omit<Grant, 'expiresMs'> & { expires_at: Date | null; in_force: boolean }>({
    text: `SELECT token_hash AS hash, 'token' AS kind, name, role, expires_at, revoked_at IS NULL AS in_force
           FROM access_tokens
           UNION ALL
           SELECT session_hash, 'session', name, role, LEAST(session.expires_at, token.expires_at), revoked_at IS NULL
           FROM access_sessions session JOIN access_tokens token ON token.name = token_name
           WHERE session.expires_at > now()`,
    query_timeout: 2_000
  } as { text: string })
  const grants = rows
    .filter(({ in_force }) => in_force)
    .map(({ expires_at, hash, kind, name, role }) => ({
      hash,
      kind,
      name,
      role,
      expiresMs: expires_at?.getTime() ?? Number.POSITIVE_INFINITY
    }))
  return { grants, isGuarded: rows.length > 0 }
}

/** Returns the id for the cookie. The oldest sessions of a token make room; expired ones are deleted. */
export async function openSession(db: Pool, tokenName: string, expiresMs: number): Promise<string> {
  const id = newSecret()
  await db.query(
    `WITH old AS (
       SELECT session_hash FROM access_sessions WHERE expires_at <= now()
       UNION ALL (SELECT session_hash FROM access_sessions WHERE token_name = $2
                  ORDER BY created_at DESC OFFSET ${sessionsPerTokenMax - 1})),
     gone AS (DELETE FROM access_sessions WHERE session_hash IN (SELECT session_hash FROM old))
     INSERT INTO access_sessions (session_hash, token_name, expires_at) VALUES ($1, $2, $3)`,
    [hashOf(id), tokenName, new Date(expiresMs)]
  )
  return id
}

export async function closeSession(db: Pool, hash: Buffer): Promise<void> {
  await db.query('DELETE FROM access_sessions WHERE session_hash = $1', [hash])
}

export async function noteUse(db: Pool, names: readonly string[]): Promise<void> {
  await db.query('UPDATE access_tokens SET last_used_at = now() WHERE name = ANY ($1)', [names])
}
