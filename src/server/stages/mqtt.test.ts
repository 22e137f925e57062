import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { testStartup } from '../testing/startup.ts'
import type { openMqttListener } from '../trust/mqttListener.ts'
import { openMqtt } from './mqtt.ts'

const needs = (accepted: unknown[] = []) => ({
  audit: { report() {} } as never,
  credentials: {} as never,
  broker: { accept: (_socket: unknown, identity: unknown) => void accepted.push(identity) }
})

test('connections go to the broker; the listener is the first part to stop', async () => {
  const startup = testStartup()
  const told: unknown[] = []
  let options: Parameters<typeof openMqttListener>[0] | undefined
  startup.lifetime.owns(() => told.push('earlier part closed'))
  const listener = await openMqtt(startup, needs(told), async given => {
    options = given
    return { ports: [8883], waiting: 0, close: async () => void told.push('listener closed') }
  })
  assert.deepEqual(listener.ports, [8883])
  options!.accept({} as never, 'identity' as never)
  options!.failed(new Error('x'))
  assert.deepEqual(startup.lines, ['error recheck_failed'])
  await startup.lifetime.close()
  assert.deepEqual(told, ['identity', 'listener closed', 'earlier part closed'])
})

test('a port that is taken is a fault of the configuration', async () => {
  const taken = Object.assign(new Error('taken'), { code: 'EADDRINUSE', port: 8883 })
  const opening = openMqtt(testStartup(), needs(), () => Promise.reject(taken))
  await assert.rejects(opening, error => error instanceof ConfigError && /--mqtt-port: .*8883/.test(error.message))
})
