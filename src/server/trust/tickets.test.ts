import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedTicketKeys } from './tickets.ts'

const certificate = (body: string): string => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`
const of = (key: string, ca: string, day: number): string =>
  sharedTicketKeys({ key: Buffer.from(key), ca: Buffer.from(ca) }, day * 86_400_000 + 5).toString('hex')

test('ticket keys are the same for the same server key, CAs and day, and for nothing else', () => {
  const keys = of('key', certificate('AB') + certificate('CD'), 20_000)
  assert.equal(keys.length, 96)
  assert.equal(of('key', `# both\n${certificate('CD')}${certificate('A\nB')}`, 20_000), keys)
  assert.notEqual(of('other', certificate('AB') + certificate('CD'), 20_000), keys)
  assert.notEqual(of('key', certificate('AB'), 20_000), keys, 'a CA that is gone')
  assert.notEqual(of('key', certificate('AB') + certificate('CD'), 20_001), keys, 'the next day')
})
