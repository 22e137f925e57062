import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

const names = ['mqtt-port', 'mqtt-host', 'http-port', 'list', 'top', 'to']

test('a slip of one or two letters finds the name that was meant', () => {
  for (const [typed, meant] of [
    ['mqtt-prot', 'mqtt-port'],
    ['mqtt-hots', 'mqtt-host'],
    ['mqttport', 'mqtt-port'],
    ['mqtt-ports', 'mqtt-port'],
    ['htp-prt', 'http-port'],
    ['lsit', 'list'],
    ['top', 'top']
  ] as const) {
    assert.equal(nearest(typed, names), meant, typed)
  }
})

test('what is not close to any name finds none, and a short name must be closer', () => {
  for (const typed of ['', 'fly', 'mqtt', 'xx', 'lisboa', 'x'.repeat(1_000_000)]) {
    assert.equal(nearest(typed, names), undefined, typed.slice(0, 20))
  }
  assert.equal(nearest('tp', names), 'top')
})
