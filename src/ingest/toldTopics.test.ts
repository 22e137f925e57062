import assert from 'node:assert/strict'
import { test } from 'node:test'
import { threadId } from 'node:worker_threads'
import { ToldTopics } from './toldTopics.ts'
import { topicsKeptMax } from './worker/limits.ts'
import { type Topic, Topics } from './worker/topics.ts'

const named = (topics: Topics, ...texts: readonly string[]): Topic[] => texts.map(text => topics.named(text))

test('what a worker tells is what the main thread knows, each text told once', () => {
  const [topics, told] = [new Topics(), new ToldTopics()]
  const [a, b, c] = ['chargers/a/PowerOutput', 'chargers/b/PowerOutput', 'chargers/a/EdgeStatus']
  const batches = [[a, b], [], [b, c, a], [c], [a, b, c]]
  const added: string[] = []
  for (const texts of batches) {
    const numbered = topics.tell(named(topics, ...texts))
    added.push(...numbered.added)
    assert.deepEqual(told.textsOf(structuredClone(numbered)), texts)
  }
  assert.deepEqual(added, [a, b, c])
})

test('it is the same string each time', () => {
  const [topics, told] = [new Topics(), new ToldTopics()]
  const tell = (): string => told.textsOf(structuredClone(topics.tell(named(topics, 'chargers/a/PowerOutput'))))[0]!
  assert.equal(tell(), tell())
})

test('a worker that forgot its topics begins a new table, and every worker has its own', () => {
  const [topics, told] = [new Topics(), new ToldTopics()]
  const tell = (thread: number, ...texts: readonly string[]): string[] =>
    told.textsOf({ ...topics.tell(named(topics, ...texts)), thread })
  const many = Array.from({ length: topicsKeptMax }, (_, i) => `chargers/c${i}/PowerOutput`)
  assert.deepEqual(tell(1, ...many), many)
  topics.begin()
  assert.deepEqual(tell(1, 'chargers/z/PowerOutput', many[7]!), ['chargers/z/PowerOutput', many[7]])
  assert.throws(() => tell(2, many[7]!), /expected a topic below 0, found 1/)
})

test('what threads told is forgotten with them', () => {
  const told = new ToldTopics()
  const tell = (thread: number): string[] =>
    told.textsOf({ thread, table: 0, numbers: Uint32Array.of(0), added: [`chargers/${thread}/PowerOutput`] })
  for (const thread of [1, 2, 3]) tell(thread)
  told.keep(new Set([2, threadId]))
  assert.equal(told.size, 1)
  assert.deepEqual(told.textsOf({ thread: 2, table: 0, numbers: Uint32Array.of(0), added: [] }), [
    'chargers/2/PowerOutput'
  ])
})
