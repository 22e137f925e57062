import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identitySessionsMax } from './limits.ts'
import { Sessions } from './sessions.ts'

const nobody = (): boolean => false
const full = (): Sessions => {
  const sessions = new Sessions()
  for (let i = 0; i < identitySessionsMax; i++)
    assert.equal(sessions.connect('c1', `c1:${i}`, false, nobody), undefined)
  return sessions
}

test('one session more than there may be ends the one that connected longest ago', () => {
  const sessions = full()
  assert.equal(sessions.connect('c1', 'c1:0', false, nobody), undefined)
  assert.equal(sessions.connect('c1', 'c1:new', false, nobody), 'c1:1')
  assert.equal(sessions.connect('c1', 'c1:newer', false, nobody), 'c1:2')
})

test('who is connected keeps its session', () => {
  const sessions = full()
  assert.equal(
    sessions.connect('c1', 'c1:new', false, id => id !== 'c1:7'),
    'c1:7'
  )
  assert.equal(
    sessions.connect('c1', 'c1:newer', false, () => true),
    undefined
  )
})

test('clean sessions count nothing, and end what was there', () => {
  const sessions = full()
  assert.equal(sessions.connect('c1', 'c1:clean', true, nobody), undefined)
  assert.equal(sessions.connect('c1', 'c1:0', true, nobody), undefined)
  assert.equal(sessions.connect('c1', 'c1:new', false, nobody), undefined)
})

test('identities have nothing to do with each other', () => {
  const sessions = full()
  assert.equal(sessions.connect('c2', 'c2', false, nobody), undefined)
})
