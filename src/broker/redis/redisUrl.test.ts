import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRedisUrl, parseRedisUrl } from './redisUrl.ts'

test('one Redis, Sentinels and a cluster each have their form', () => {
  assert.deepEqual(parseRedisUrl('redis://h'), { kind: 'single', addresses: [{ host: 'h', port: 6379 }], db: 0 })
  assert.deepEqual(parseRedisUrl('rediss://app:p%40ss:w@[::1]:7000/3'), {
    kind: 'single',
    addresses: [{ host: '::1', port: 7000 }],
    username: 'app',
    password: 'p@ss:w',
    db: 3,
    tls: {}
  })
  assert.deepEqual(parseRedisUrl('redis+sentinel://:pw@a:1,b/mymaster/2?sentinelPassword=other'), {
    kind: 'sentinel',
    addresses: [
      { host: 'a', port: 1 },
      { host: 'b', port: 26_379 }
    ],
    master: 'mymaster',
    password: 'pw',
    sentinelPassword: 'other',
    db: 2
  })
  assert.deepEqual(parseRedisUrl('redis+cluster://a:1,b:2').addresses, [
    { host: 'a', port: 1 },
    { host: 'b', port: 2 }
  ])
})

test('what is no such form is refused, without showing a password', () => {
  const wrong = ['h:6379', 'http://h', 'redis://', 'redis://a,b', 'redis+sentinel://a', 'redis+cluster://a/1']
  for (const url of [
    ...wrong,
    'redis://h:0',
    'redis://h:65536',
    'redis://h/x',
    'redis://h?no=1',
    'rediss://h?ca=/none'
  ]) {
    assert.equal(isRedisUrl(url), false, url)
  }
  assert.throws(
    () => parseRedisUrl('redis://u:secret@a,b'),
    ({ message }: Error) => !message.includes('secret')
  )
})
