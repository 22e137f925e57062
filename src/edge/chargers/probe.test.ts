import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { answer, json, type Reply, raw, startFakeCharger } from '../testing/fakeCharger.ts'
import type { ChargerOptions } from './charger.ts'
import { type Finding, probe, probeHttp, probeModbus } from './probe.ts'

/** Limits for a target that answers. No test waits for them. */
const patient = { timeoutMs: 20_000, connectTimeoutMs: 20_000 }
/** Limits for a target that does not answer. */
const brief = { timeoutMs: 300, connectTimeoutMs: 300 }
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
const chargeData = { ChgState: 'Idle', Uid: '', ChgDuration: 60, ChgNrg: 500, ActPwr: 0, ActCurr: 16 }
const fullState = 'conn_state:no_vehicle_connected\nmeter_wh:4711\npower_w:0\ntype2_state:a\n'

async function box(t: TestContext, reply: Reply) {
  const charger = await startFakeCharger(reply)
  t.after(() => charger.stop())
  return charger
}

const mhcp = (url: string, devKey = '0000', limits = patient) =>
  probeHttp('mennekes-amtron', { url, devKey, clock, ...limits } satisfies ChargerOptions)

describe('every cause has its sentence', () => {
  const causes: readonly (readonly [name: string, reply: Reply, outcome: string, meaning: RegExp])[] = [
    ['a wrong key', answer(403, ''), 'forbidden', /^403: the key is not PIN 1/],
    ['an unknown path', answer(404, 'no'), 'wrong_api', /^404: /],
    ['a web page', answer(200, '<html>hello</html>'), 'wrong_api', /^HTML: /],
    ['a redirect', answer(302, '', 'location: /login\r\n'), 'wrong_api', /redirect/],
    ['a failing box', answer(500, ''), 'bad_answer', /5xx/],
    ['another JSON', json({ hello: 1 }), 'wrong_api', /another device/],
    ['garbage', raw('garbage\r\n\r\n'), 'bad_answer', /cannot be trusted/],
    ['silence', () => {}, 'timeout', /no answer in time/]
  ]
  for (const [name, reply, outcome, meaning] of causes) {
    it(name, async t => {
      const finding = await mhcp((await box(t, reply)).url, '0000', name === 'silence' ? brief : patient)
      assert.equal(finding.outcome, outcome)
      assert.match(finding.meaning, meaning)
      assert.equal(finding.sample, undefined)
    })
  }

  it('a closed port, and a name that nobody knows', async t => {
    const { url, stop } = await box(t, json(chargeData))
    await stop()
    assert.match((await mhcp(url)).meaning, /^refused: /)
    assert.match((await mhcp('http://nowhere.invalid')).meaning, /name is not known/)
  })

  it('a key that is missing is asked for', async t => {
    const { url } = await box(t, answer(403, ''))
    assert.match((await mhcp(url, '')).meaning, /wants PIN 1 .* --key/)
  })

  it('a box whose API has no key, and refuses, is not asked for one', async t => {
    const { url } = await box(t, answer(403, ''))
    const { meaning } = await probeHttp('mennekes-ecu', { url, devKey: '', clock, ...patient })
    assert.match(meaning, /^the box wants a log-in for its API/)
  })
})

it('both HTTP APIs are told apart at one port; no answer and no sentence holds the key', async t => {
  const charger = await box(t, (socket, path) => {
    const isMhcp = path.startsWith('/MHCP/1.0/')
    return (isMhcp ? json(chargeData) : answer(200, fullState))(socket, path)
  })
  const port = Number(new URL(charger.url).port)
  const findings: Finding[] = []
  for await (const finding of probe({ host: '127.0.0.1', port, devKey: '4711-secret' }, patient)) findings.push(finding)
  assert.deepEqual(
    findings.map(({ family, outcome, driver }) => [family, outcome, driver]),
    [
      ['MHCP', 'ok', 'mennekes-amtron'],
      ['ECU', 'ok', 'mennekes-ecu']
    ]
  )
  assert.equal(charger.overlap(), 1, 'one request at a time')
  assert.doesNotMatch(JSON.stringify(findings), /4711-secret/)
})

it('an answer that was late once is asked for again, and the weak network is told', async t => {
  let asked = 0
  const { url } = await box(t, (socket, path) => {
    if (asked++ > 0) json(chargeData)(socket, path)
  })
  const { outcome, meaning } = await mhcp(url, '0000', { ...patient, timeoutMs: 2_000 })
  assert.equal(outcome, 'ok')
  assert.match(meaning, /attempt 2: the network is weak/)
})

describe('Modbus', () => {
  async function modbus(t: TestContext, onData: (socket: Socket, request: Buffer) => void, limits = patient) {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', request => onData(socket, request as Buffer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return probeModbus('127.0.0.1', (server.address() as AddressInfo).port, limits)
  }

  it('is recognised by an answer, an exception too', async t => {
    const value = await modbus(t, (socket, request) => {
      socket.write(Buffer.from([...request.subarray(0, 4), 0, 7, 255, 3, 4, 0x35, 0x2e, 0x33, 0x33]))
    })
    const exception = await modbus(t, (socket, request) => {
      socket.write(Buffer.from([...request.subarray(0, 4), 0, 3, 255, 0x83, 2]))
    })
    assert.deepEqual([value.outcome, exception.outcome], ['spoken', 'spoken'])
  })

  it('is not what answers otherwise, hangs up or keeps silent', async t => {
    const other = await modbus(t, socket => socket.write('SSH-2.0-OpenSSH\r\n'))
    const gone = await modbus(t, socket => socket.end())
    const silent = await modbus(t, () => {}, brief)
    assert.deepEqual([other.outcome, gone.outcome, silent.outcome], ['wrong_api', 'wrong_api', 'timeout'])
  })
})
