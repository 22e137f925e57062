// The query for a list of sessions: each filter is a parameter, and occurs once.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type SessionFilter, sessionsQuery } from './sessionList.ts'

const from = '1970-01-01T00:00:00.001Z'
const to = '1970-01-01T00:00:00.002Z'
const query = (more: Partial<SessionFilter> = {}): { text: string; values: unknown[] } => {
  const { text, values } = sessionsQuery({
    within: { from: { timeUs: 1_000 }, to: { timeUs: 2_000 } },
    withOpen: false,
    ...more
  })
  return { text: text.replaceAll(/\s+/g, ' '), values }
}

describe('a query for sessions', () => {
  const filters: [what: string, more: Partial<SessionFilter>, values: unknown[], part: RegExp][] = [
    ['a time', {}, [from, to], /WHERE s\.ended_at >= \$1::timestamptz AND s\.ended_at < \$2::timestamptz ORDER BY/],
    ['open ones too', { withOpen: true }, [from, to], /WHERE \(s\.ended_at IS NULL OR \(.*\)\) ORDER BY/],
    ['a charger', { chargerId: 0 }, [from, to, 0], /s\.charger_id = \$3/],
    ['a site', { site: 'home' }, [from, to, 'home'], /sites\.name = \$3/],
    ['a page', { limit: 5 }, [from, to, 5], /LIMIT \$3$/],
    ['all of it', { chargerId: 7, site: 'home', limit: 5 }, [from, to, 7, 'home', 5], /LIMIT \$5$/]
  ]
  for (const [what, more, values, part] of filters) {
    it(`has ${what}`, () => {
      const found = query(more)
      assert.deepEqual(found.values, values)
      assert.match(found.text, part)
    })
  }

  it('without a limit has none', () => assert.doesNotMatch(query().text, /LIMIT \$/))

  it('behind an open session has the open ones that started before it, and all that ended', () => {
    const { text, values } = query({ after: { endedUs: undefined, startedUs: 9, chargerId: 3 } })
    assert.match(text, /AND \(s\.ended_at IS NOT NULL OR \(s\.started_at < /)
    assert.deepEqual(values.slice(2), [9, 9, 3])
  })

  it('behind one that ended has those that ended before it, or with it and after it in the list', () => {
    const { text, values } = query({ after: { endedUs: 20, startedUs: 9, chargerId: 3 } })
    assert.match(text, /AND s\.ended_at <= .* AND \(s\.ended_at < /)
    assert.deepEqual(values.slice(2).toSorted(), [20, 20, 3, 9, 9].toSorted())
  })
})
