import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { fillSpool } from '../testing/fillSpool.ts'
import { memoryFolder } from '../testing/folder.ts'
import { readableLog } from '../testing/log.ts'
import { Feed } from '../uplink/feed.ts'
import { requestReplay, takeReplayRequest, takeReplayRequests } from './replay.ts'
import { type ChargerMemory, openSpool, type Spool } from './spool.ts'

const memory: ChargerMemory = { timeMs: 1, known: {} }

/** A Spool whose samples were taken at 1, 2, 3 ... and are all acknowledged. */
function acknowledged(t: TestContext, samples: number): { spool: Spool; path: string; folder: string } {
  const folder = memoryFolder(t)
  const path = join(folder, 'spool.sqlite')
  fillSpool(path, samples, i => ({ PowerOutput: i }))
  const spool = openSpool({ path, maxBytes: 64 * 1024 * 1024 })
  t.after(() => spool.close())
  for (let seq = 1; seq <= samples; seq++) spool.settle(seq)
  spool.flush()
  return { spool, path, folder }
}

const times = (spool: Spool) => spool.page(0, spool.newestSeq, 100_000).map(({ timeMs }) => timeMs)
const from = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

test('what was sampled since then is sent once more, oldest first, as sent before', async t => {
  const { spool, path, folder } = acknowledged(t, 10_000)
  const newest = spool.append({ charger: 'wb', timeMs: 10_001, values: { PowerOutput: 1 } }, memory)
  spool.settle(newest)
  requestReplay(path, 4_000)
  assert.deepEqual(await takeReplayRequest(spool, path), { sinceMs: 4_000, samples: 6_002 })
  assert.deepEqual(times(spool), from(4_000, 10_001))
  const feed = new Feed({ spool, mayHaveBeenSent: () => false, nextStatus: () => undefined })
  feed.add([], () => true)
  const parcel = feed.next(10)
  assert.deepEqual([parcel?.seq, parcel?.dup, parcel?.retain], [4_000, true, false])
  assert.deepEqual(
    readdirSync(folder).filter(file => file.includes('replay')),
    [],
    'the request is done with'
  )
  assert.equal(await takeReplayRequest(spool, path), undefined)
})

test('once they are acknowledged again they are as before', async t => {
  const { spool, path } = acknowledged(t, 100)
  for (let round = 0; round < 2; round++) {
    requestReplay(path, 51)
    assert.equal((await takeReplayRequest(spool, path))?.samples, 50)
    for (const { seq } of spool.page(0, 100, 100)) spool.settle(seq)
    spool.flush()
    assert.equal(spool.unsettledCount(), 0)
  }
})

test('polls go on between its steps', async t => {
  const { spool, path } = acknowledged(t, 10_000)
  requestReplay(path, 0)
  let done = false
  const replay = takeReplayRequest(spool, path).finally(() => {
    done = true
  })
  let appended = 0
  while (!done) {
    spool.append({ charger: 'wb', timeMs: 20_000 + appended++, values: {} }, memory)
    await new Promise(setImmediate)
  }
  assert.equal((await replay)?.samples, 10_000)
  assert.ok(appended >= 4, `only ${appended}`)
  assert.equal(spool.unsettledCount(), 10_000 + appended)
})

test('of two requests the earlier time counts', async t => {
  const { spool, path } = acknowledged(t, 10)
  requestReplay(path, 9)
  requestReplay(path, 3)
  requestReplay(path, 6)
  assert.deepEqual(await takeReplayRequest(spool, path), { sinceMs: 3, samples: 8 })
})

test('a request that was begun is done again after a kill, and one that came meanwhile after it', async t => {
  const { spool, path } = acknowledged(t, 10)
  requestReplay(path, 9)
  renameSync(`${path}.replay`, `${path}.replay-taken`)
  requestReplay(path, 8)
  assert.deepEqual(await takeReplayRequest(spool, path), { sinceMs: 9, samples: 2 })
  assert.deepEqual(await takeReplayRequest(spool, path), { sinceMs: 8, samples: 1 })
  assert.equal(await takeReplayRequest(spool, path), undefined)
})

test('a request stays when the edge stops in the middle', async t => {
  const { spool, path } = acknowledged(t, 10_000)
  requestReplay(path, 0)
  const replay = takeReplayRequest(spool, path)
  spool.close()
  await assert.rejects(replay, /closed/)
  const again = openSpool({ path, maxBytes: 64 * 1024 * 1024 })
  t.after(() => again.close())
  assert.ok(((await takeReplayRequest(again, path))?.samples ?? 0) > 0)
  assert.deepEqual(times(again), from(1, 10_000))
})

test('what is no request is removed and said, and stands in the way of none', async t => {
  const { spool, path } = acknowledged(t, 10)
  for (const text of ['', 'null', '{"since":5}', '{"since":"soon"}']) {
    writeFileSync(`${path}.replay`, text)
    await assert.rejects(takeReplayRequest(spool, path), ConfigError)
    assert.equal(existsSync(`${path}.replay-taken`), false)
  }
  writeFileSync(`${path}.replay`, 'noise')
  requestReplay(path, 5)
  assert.match(readFileSync(`${path}.replay`, 'utf8'), /"since":"1970-01-01T00:00:00.005Z"/)
  assert.equal((await takeReplayRequest(spool, path))?.samples, 6)
})

test('a request for a spool that is not there is a fault', t => {
  const { path } = acknowledged(t, 1)
  assert.throws(() => requestReplay(`${path}-not`, 5), /no such file/)
})

test('the edge takes waiting and new requests, and logs what it did and what it could not do', async t => {
  const { spool, path } = acknowledged(t, 100)
  const { log, lines, events } = readableLog()
  const stop = new AbortController()
  let rewound = 0
  requestReplay(path, 91)
  const requests = { spool, spoolPath: path, onReplay: () => rewound++, log, lookIntervalMs: 1 }
  const taking = takeReplayRequests(requests, stop.signal)
  const told = async (times: number) => {
    while (lines.length < times) await new Promise(setImmediate)
  }
  await told(1)
  writeFileSync(`${path}.replay`, 'noise')
  await told(2)
  requestReplay(path, 81)
  await told(3)
  requestReplay(path, 1_000)
  await told(4)
  stop.abort()
  await taking
  assert.deepEqual(events(), ['replay', 'replay_failed', 'replay', 'replay'])
  assert.deepEqual(
    lines.map(({ samples }) => samples),
    [10, undefined, 10, 0]
  )
  assert.equal(rewound, 2, 'a connection is only made anew where there is something to send')
})
