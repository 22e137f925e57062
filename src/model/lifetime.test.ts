import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Lifetime } from './lifetime.ts'

const never = (): Promise<void> => new Promise(() => {})

test('parts are closed in reverse, each when the one before has ended', async () => {
  const told: string[] = []
  const lifetime = new Lifetime()
  for (const name of ['a', 'b']) {
    lifetime.owns(async () => {
      told.push(`${name} begins`)
      await null
      told.push(`${name} ends`)
    })
  }
  await lifetime.close()
  assert.deepEqual(told, ['b begins', 'b ends', 'a begins', 'a ends'])
})

test('of four parts whose third rejects, all four are closed', async () => {
  const closed: number[] = []
  const lifetime = new Lifetime()
  const fault = new Error('third')
  for (const part of [1, 2, 3, 4]) {
    lifetime.owns(async () => {
      closed.push(part)
      if (part === 3) throw fault
    })
  }
  await assert.rejects(lifetime.close(), error => {
    assert.ok(error instanceof AggregateError)
    assert.equal(error.cause, fault)
    assert.deepEqual(error.errors, [fault])
    return true
  })
  assert.deepEqual(closed, [4, 3, 2, 1])
})

test('the first error is the cause, and all errors are told; a part may throw or reject', async () => {
  const lifetime = new Lifetime()
  lifetime.owns(() => {
    throw new Error('second')
  })
  lifetime.owns(() => Promise.reject(new Error('first')))
  await assert.rejects(lifetime.close(), (error: AggregateError) => {
    assert.equal((error.cause as Error).message, 'first')
    assert.deepEqual(
      error.errors.map(({ message }) => message),
      ['first', 'second']
    )
    assert.equal(error.message, 'first\nsecond')
    return true
  })
})

test('a part that hangs is abandoned when its time is over, and the others are closed', async () => {
  let nowMs = 0
  const closed: string[] = []
  const wait = async (ms: number, work: Promise<unknown>): Promise<void> => {
    const hangs = Symbol('hangs')
    if ((await Promise.race([work, turn(hangs)])) === hangs) nowMs += ms
  }
  const lifetime = new Lifetime({ totalMs: 1_000, leastMs: 50, now: () => nowMs, wait })
  lifetime.owns(leftMs => closed.push(`first ${leftMs}`))
  lifetime.owns(leftMs => {
    closed.push(`hangs ${leftMs}`)
    return never()
  })
  lifetime.owns(leftMs => {
    closed.push(`last ${leftMs}`)
    nowMs += 300
  })
  await lifetime.close()
  assert.deepEqual(closed, ['last 1000', 'hangs 700', 'first 50'], 'the first part gets the least time')
})

test('without a total no part is abandoned', async () => {
  const lifetime = new Lifetime({ wait: () => Promise.reject(new Error('a wait with an end')) })
  lifetime.owns(leftMs => assert.equal(leftMs, Number.POSITIVE_INFINITY))
  await lifetime.close()
})

test('closing twice closes once, and tells both callers the same', async () => {
  let closed = 0
  const lifetime = new Lifetime()
  lifetime.owns(() => {
    closed++
    throw new Error('x')
  })
  const both = await Promise.allSettled([lifetime.close(), lifetime.close()])
  assert.equal(closed, 1)
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected']
  )
})

test('a failed start whose parts close throws its own error', async () => {
  const closed: string[] = []
  const lifetime = new Lifetime()
  lifetime.owns(() => closed.push('a'))
  const fault = new Error('start')
  await assert.rejects(lifetime.fail(fault), error => error === fault)
  assert.deepEqual(closed, ['a'])
})

test('a failed start is the cause also when a part fails to close', async () => {
  const lifetime = new Lifetime()
  const [fault, second] = [new Error('start'), new Error('close')]
  lifetime.owns(() => Promise.reject(second))
  await assert.rejects(lifetime.fail(fault), (error: AggregateError) => {
    assert.equal(error.cause, fault)
    assert.deepEqual(error.errors, [fault, second])
    return true
  })
})
