import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cached } from './cached.ts'

test('all who ask at once share one reading, and a fresh value is not read again', async () => {
  let reads = 0
  const cached = new Cached({ read: async () => ++reads, freshMs: 1e9, patienceMs: 0 })
  assert.deepEqual(await Promise.all([cached.get(), cached.get(), cached.get()]), [1, 1, 1])
  assert.equal(await cached.get(), 1)
})

test('while there was never a value a failure is told, and the next one tries again', async () => {
  let reads = 0
  const read = async (): Promise<number> => {
    if (++reads === 1) throw new Error('away')
    return reads
  }
  const cached = new Cached({ read, freshMs: 1e9, patienceMs: 0 })
  await assert.rejects(cached.get(), /away/)
  assert.equal(await cached.get(), 2)
})

test('what was known before serves when a reading fails or hangs, and is replaced when that ends', async () => {
  const answers: (() => Promise<string>)[] = []
  let finish: (value: string) => void = () => {}
  answers.push(async () => 'old')
  answers.push(async () => Promise.reject(new Error('away')))
  answers.push(
    () =>
      new Promise(resolve => {
        finish = resolve
      })
  )
  const cached = new Cached({ read: () => answers.shift()!(), freshMs: -1, patienceMs: 5 })
  assert.equal(await cached.get(), 'old')
  assert.equal(await cached.get(), 'old')
  assert.equal(await cached.get(), 'old')
  finish('new')
  answers.push(async () => 'newest')
  assert.equal(await cached.get(), 'new')
})
