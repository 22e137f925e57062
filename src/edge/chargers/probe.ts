// Finds out which charger API answers at an address: MHCP (HTTP, port 25000), ECU (HTTP, port 80) or Modbus TCP (port
// 502). It only reads: the driver's own poll, and one Modbus register, one request at a time. For each API it says in
// one sentence what came and what to do. After a timeout it asks once more, because WLAN loses packets. Modbus TCP:
// "MODBUS Messaging on TCP/IP", 3.1.3; register 100 is the firmware in the ECU's table and nothing elsewhere.

import { connect } from 'node:net'
import type { ChargerConfig } from '../config.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import { type ChargerOptions, PollError, type PollFault, type Sample } from './charger.ts'
import { probeConnectTimeoutMs, probeTimeoutMs } from './limits.ts'
import { devKeyOf, openCharger } from './registry.ts'

export type ApiFamily = 'MHCP' | 'ECU' | 'Modbus'

export interface Finding extends Answer {
  readonly family: ApiFamily
}

/** What came of asking one address. */
export interface Answer {
  /** Without a key. */
  readonly address: string
  /** `spoken`: it answers, but chargelift has no driver for it. */
  readonly outcome: 'ok' | 'spoken' | PollFault
  /** One sentence: what came, and what to do. */
  readonly meaning: string
  /** The driver to write into chargers[] of the configuration, if the outcome is ok. */
  readonly driver?: string
  readonly sample?: Sample
}

export interface ProbeTarget {
  readonly host: string
  /** If given, only the HTTP APIs are asked, at this port; else each API at its own port. */
  readonly port?: number
  /** PIN 1; empty if unknown. */
  readonly devKey: string
}

export interface ProbeLimits {
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
}

const attempts = 2

/** Yields a finding for each family as soon as it is known. Never throws because of what an address does. */
export async function* probe(
  { host, port, devKey }: ProbeTarget,
  limits: ProbeLimits = { timeoutMs: probeTimeoutMs, connectTimeoutMs: probeConnectTimeoutMs }
): AsyncGenerator<Finding> {
  const at = (usual: number) => `http://${isIPv6(host) ? `[${host}]` : host}:${port ?? usual}`
  const options = { clock: systemClock, ...limits }
  yield { family: 'MHCP', ...(await probeHttp('mennekes-amtron', { url: at(25_000), devKey, ...options })) }
  yield { family: 'ECU', ...(await probeHttp('mennekes-ecu', { url: at(80), devKey: '', ...options })) }
  if (port === undefined) yield { family: 'Modbus', ...(await probeModbus(host, 502, limits)) }
}

/** Polls one charger of the configuration. */
export function pollOf({ driver, url, devKey, phases }: ChargerConfig, clock: Clock): Promise<Answer> {
  const options = { url, devKey: devKey?.reveal() ?? '', ...(phases === undefined ? {} : { phases }), clock }
  return probeHttp(driver, options)
}

/** Polls once with the driver, and says why there is no sample. */
export async function probeHttp(driver: string, options: ChargerOptions): Promise<Answer> {
  const address = options.url
  const charger = await openCharger(driver, options)
  try {
    const { result: sample, attempt } = await patiently(() => charger.poll())
    const weak = attempt === 1 ? '' : `; only at attempt ${attempt}: the network is weak`
    return { address, outcome: 'ok', meaning: `answers${weak}`, driver, sample }
  } catch (error) {
    if (!(error instanceof PollError)) throw error
    return { address, outcome: error.code, meaning: forbidden(error, driver, options) ?? meaningOf(error) }
  } finally {
    await charger.close()
  }
}

/** Tries again after a timeout only: every other result is an answer. */
async function patiently<T>(work: () => Promise<T>): Promise<{ result: T; attempt: number }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return { result: await work(), attempt }
    } catch (error) {
      if (!(error instanceof PollError) || error.code !== 'timeout' || attempt === attempts) throw error
    }
  }
}

/** The first match counts: code and message of a PollError, and what it means to a person. */
const meanings: readonly (readonly [cause: RegExp, meaning: string])[] = [
  [/^forbidden/, '403: the key is not PIN 1 of this charger: see its set-up sheet ("APP-PIN"), leading zeros included'],
  [/ENOTFOUND|EAI_AGAIN/, 'this name is not known here: use the IP address that the router shows for the charger'],
  [
    /E(HOST|NET)UNREACH|EHOSTDOWN/,
    'this address cannot be reached: is the charger on, in this network, and is the address right?'
  ],
  [/^refused/, 'refused: the address is in use, but nothing listens on this port'],
  [/^timeout/, 'no answer in time: is the address right, and the WLAN good enough at the charger?'],
  [/found 404/, '404: a web server answers that does not know this API'],
  [/web page/, 'HTML: a web page answers in place of the API; is this another device, or the service interface only?'],
  [/found 3\d\d/, 'it redirects, and the API never does: this is another device'],
  [/found 5\d\d/, 'the API fails inside the charger (status 5xx): restart the charger, then try again'],
  [/^wrong_api/, 'what answers there does not speak this API: this is another device or another firmware'],
  [/^bad_answer/, 'an answer came that cannot be trusted: restart the charger, then try again']
]

const meaningOf = ({ code, message }: PollError): string =>
  meanings.find(([cause]) => cause.test(`${code} ${message}`))?.[1] ?? message

/** What a refusal means if no key was given; else undefined. */
function forbidden({ code }: PollError, driver: string, { devKey }: ChargerOptions): string | undefined {
  if (code !== 'forbidden') return undefined
  if (devKeyOf(driver) === undefined) return 'the box wants a log-in for its API: allow local access in its set-up'
  return devKey === '' ? 'it answers and wants PIN 1 of its set-up sheet: ask again with --key PIN1' : undefined
}

const modbusRequest = Buffer.from([0xc4, 0x1f, 0, 0, 0, 6, 0xff, 3, 0, 100, 0, 2])
const modbusHeaderBytes = 9

/** Any well-formed answer to a read, even an exception, proves Modbus. */
export async function probeModbus(host: string, port: number, limits: ProbeLimits): Promise<Answer> {
  const address = `${host}:${port}`
  try {
    await patiently(() => askModbus(host, port, limits))
    const meaning = 'Modbus TCP answers; chargelift has no driver for it: use the HTTP API where the charger has one'
    return { address, outcome: 'spoken', meaning }
  } catch (error) {
    if (!(error instanceof PollError)) throw error
    return { address, outcome: error.code, meaning: meaningOf(error) }
  }
}

function askModbus(host: string, port: number, limits: ProbeLimits): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const end = (error?: PollError): void => {
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    const late = () => end(new PollError('timeout', 'Modbus: no answer in time'))
    socket.setTimeout(limits.connectTimeoutMs, late)
    let answer = Buffer.alloc(0)
    socket.on('connect', () => {
      socket.setTimeout(limits.timeoutMs, late)
      socket.write(modbusRequest)
    })
    socket.on('data', chunk => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length < modbusHeaderBytes) return
      // Transaction and protocol id are ours, the function is ours or its exception.
      const isModbus = answer.readUInt32BE(0) === modbusRequest.readUInt32BE(0) && (answer[7]! & 0x7f) === 3
      end(isModbus ? undefined : new PollError('wrong_api', 'Modbus: expected an answer of Modbus, found another'))
    })
    socket.on('close', () => end(new PollError('wrong_api', 'Modbus: closed without an answer')))
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
      const isTimeout = code === 'ETIMEDOUT'
      end(
        new PollError(
          isTimeout ? 'timeout' : code === 'ECONNRESET' ? 'wrong_api' : 'refused',
          `Modbus: no connection (${code})`
        )
      )
    })
  })
}

const isIPv6 = (host: string): boolean => host.includes(':')
