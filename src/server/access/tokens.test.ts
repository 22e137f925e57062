// Tests which tokens are in force, and which part of a secret is stored. test/full tests the SQL statements.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordedDb } from '../../history/testing/recordedDb.ts'
import { sessionsPerTokenMax } from './limits.ts'
import { addToken, hashOf, loadGrants, openSession, revokeToken, tokenPrefix } from './tokens.ts'

const row = (name: string, more: object = {}): object => {
  return { hash: hashOf(name), kind: 'token', name, role: 'viewer', expires_at: null, in_force: true, ...more }
}
const load = (...rows: object[]): ReturnType<typeof loadGrants> =>
  loadGrants(new RecordedDb([['FROM access_tokens', rows]]).db)

describe('the tokens in force', () => {
  it('end when they say, or never', async () => {
    const { grants } = await load(row('a'), row('b', { expires_at: new Date(5) }))
    assert.deepEqual(
      grants.map(({ name, expiresMs }) => [name, expiresMs]),
      [
        ['a', Number.POSITIVE_INFINITY],
        ['b', 5]
      ]
    )
  })

  it('leave out revoked ones, which still keep everybody out who has none', async () => {
    const { grants, isGuarded } = await load(row('a', { in_force: false }))
    assert.deepEqual([grants, isGuarded], [[], true])
  })

  it('guard nothing until there was one', async () => assert.deepEqual(await load(), { grants: [], isGuarded: false }))
})

describe('a token', () => {
  it('is told once, and stored as its hash', async () => {
    const recorded = new RecordedDb([['INSERT INTO access_tokens', [{}]]])
    const token = await addToken(recorded.db, { name: 'a', role: 'billing', expiresAt: undefined })
    assert.match(token!, new RegExp(`^${tokenPrefix}[A-Za-z0-9_-]{43}$`))
    const { values } = recorded.asked[0]!
    assert.deepEqual([values[0], values[1], values[3], values[5]], ['a', 'billing', null, 'role billing'])
    assert.deepEqual(values[2], hashOf(token!))
    assert.equal(values.includes(token!), false)
  })

  it('is not made where one of its name is in force', async () =>
    assert.equal(await addToken(new RecordedDb().db, { name: 'a', role: 'viewer', expiresAt: new Date(1) }), undefined))

  it('is revoked once', async () => {
    assert.equal(await revokeToken(new RecordedDb([['UPDATE access_tokens', [{}]]]).db, 'a'), true)
    assert.equal(await revokeToken(new RecordedDb().db, 'a'), false)
  })
})

it('a session is stored as its hash, and leaves room for so many others of its token', async () => {
  const recorded = new RecordedDb()
  const id = await openSession(recorded.db, 'a', 7)
  const [{ text, values }] = recorded.asked as [(typeof recorded.asked)[0]]
  assert.deepEqual(values, [hashOf(id), 'a', new Date(7)])
  assert.ok(text.includes(`OFFSET ${sessionsPerTokenMax - 1})`))
})
