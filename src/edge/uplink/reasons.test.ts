import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDenied, reasonOf, whatToDo } from './reasons.ts'

test('a reason is the code where there is one', () => {
  const named = (code: string | number) => reasonOf(Object.assign(new Error('words'), { code }))
  assert.deepEqual(
    [named('ECONNREFUSED'), named(5), reasonOf(new Error('connack timeout'))],
    ['ECONNREFUSED', 'CONNACK 5', 'connack timeout']
  )
})

const table: readonly (readonly [reason: string, denied: boolean, advice: RegExp | undefined])[] = [
  ['CONNACK 1', true, /3\.1\.1/],
  ['CONNACK 2', true, /client id/],
  ['CONNACK 3', false, /nothing to do/],
  ['CONNACK 4', true, /password/],
  ['CONNACK 5', true, /revoked/],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', true, /refuses this edge's certificate/],
  ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', true, /issue a new one/],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', true, /refuses this edge's certificate/],
  ['CERT_HAS_EXPIRED', false, /clock is wrong/],
  ['CERT_NOT_YET_VALID', false, /clock is wrong/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', false, /another host/],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', false, /tls\.ca/],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', false, /tls\.ca/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', false, /tls\.ca/],
  ['SELF_SIGNED_CERT_IN_CHAIN', false, /tls\.ca/],
  ['CERT_SIGNATURE_FAILURE', false, /tls\.ca/],
  ['ENOTFOUND', false, /network/],
  ['EAI_AGAIN', false, /network/],
  ['ECONNREFUSED', false, /server up/],
  ['EHOSTUNREACH', false, /firewalls/],
  ['connack timeout', false, /firewalls/],
  ['closed by the server', false, /MQTT port/],
  ['ECONNRESET', false, undefined]
]
for (const [reason, denied, advice] of table) {
  test(`${reason}: ${denied ? 'asks rarely' : 'asks again'}, and says what to do`, () => {
    assert.equal(isDenied(reason), denied)
    if (advice === undefined) assert.equal(whatToDo(reason), undefined)
    else assert.match(whatToDo(reason) ?? '', advice)
  })
}
