// Tests counting by key within a window of time, in bounded memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Windows } from './windows.ts'

test('a window has one value until it ends, which is exactly its length after its beginning', () => {
  const windows = new Windows<object>(1_000, 10)
  const make = (): object => ({})
  const first = windows.at('a', 5, make)
  assert.equal(windows.at('a', 1_004, make), first)
  const second = windows.at('a', 1_005, make)
  assert.notEqual(second, first)
  assert.equal(windows.at('a', 2_004, make), second, 'it began with its own first event')
})

test('keys have windows of their own', () => {
  const windows = new Windows<string>(1_000, 10)
  assert.equal(
    windows.at('a', 0, () => 'first'),
    'first'
  )
  assert.equal(
    windows.at('b', 0, () => 'second'),
    'second'
  )
  assert.equal(
    windows.at('a', 999, () => 'third'),
    'first'
  )
})

test('a new key finds no room where there are too many, one that is known goes on, and one that ended makes room', () => {
  const windows = new Windows<string>(1_000, 2)
  assert.equal(
    windows.at('a', 0, () => 'a'),
    'a'
  )
  assert.equal(
    windows.at('b', 500, () => 'b'),
    'b'
  )
  assert.equal(
    windows.at('c', 999, () => 'c'),
    undefined
  )
  assert.equal(
    windows.at('b', 999, () => 'other'),
    'b'
  )
  assert.equal(
    windows.at('c', 1_000, () => 'c'),
    'c'
  )
  assert.equal(
    windows.at('a', 1_000, () => 'a'),
    undefined
  )
})
