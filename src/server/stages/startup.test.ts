import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { away, testStartup } from '../testing/startup.ts'
import { whenDatabaseAnswers } from './startup.ts'

const atOnce = async (): Promise<void> => {}

test('a database that is away is tried again until it answers, and told once', async () => {
  const startup = testStartup()
  let attempts = 0
  const answer = await whenDatabaseAnswers(
    startup,
    async () => {
      if (++attempts < 4) throw away()
      return 'rows'
    },
    atOnce
  )
  assert.deepEqual([answer, attempts], ['rows', 4])
  assert.equal(startup.lines.length, 1)
  assert.match(startup.lines[0]!, /^warn database_away .*connect ECONNREFUSED/)
})

test('the wait ends with the reason of the signal that aborts the start', async () => {
  const startup = testStartup()
  const reason = new Error('told to stop')
  const work = async (): Promise<never> => {
    startup.aborting.abort(reason)
    throw away()
  }
  await assert.rejects(whenDatabaseAnswers(startup, work), { name: 'AbortError', cause: reason })
})

test('what waiting does not mend is thrown at once', async () => {
  const startup = testStartup()
  const pause = (): Promise<void> => assert.fail('waited')
  const denied = Object.assign(new Error('no password'), { code: '28P01' })
  await assert.rejects(
    whenDatabaseAnswers(startup, () => Promise.reject(denied), pause),
    ConfigError
  )
  assert.deepEqual(startup.lines, [])
})
