// Tests the addresses that only programs on this machine can use.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopbackHost } from './loopback.ts'

const hosts: [host: string, isLoopback: boolean][] = [
  ['localhost', true],
  ['LocalHost', true],
  ['127.0.0.1', true],
  ['127.255.255.254', true],
  ['::1', true],
  ['[::1]', true],
  ['', false],
  ['0.0.0.0', false],
  ['128.0.0.1', false],
  ['127.0.0', false],
  ['127.0.0.1.evil.example', false],
  ['127.evil.example', false],
  ['localhost.evil.example', false],
  ['localhost.', false],
  ['::', false],
  ['::ffff:127.0.0.1', false]
]
for (const [host, isLoopback] of hosts) {
  test(`${JSON.stringify(host)} is ${isLoopback ? '' : 'not '}loopback`, () =>
    assert.equal(isLoopbackHost(host), isLoopback))
}
