// A simulated Mennekes Amtron: an HTTP server with the MHCP API of the real box (ChargeData, DevInfo, ChargeRecords). A
// believable charging session runs over and over: plug in, authorise by card, ramp, pause, taper, end. The box also
// answers `GET /rest/full_state` like a box with an ECU, to try that driver. The answers depend on time alone, so two
// runs with the same seed agree. Power and energy always match: `speed` shortens the phases, and the energy is the
// shown power over real seconds. The box accepts no command. Field names and units are those of the real box
// (github.com/lephisto/amtron; i78/inofficial-mennekes-ev-charger-adapter).

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The phases of a session in order, with their durations in seconds at speed 1. */
const phaseSeconds = {
  idle: 40,
  authorize: 8,
  connect: 3,
  charge: 90,
  pause: 15,
  resume: 75,
  terminated: 20
} as const
export type SimulatedPhase = keyof typeof phaseSeconds
const phases = Object.keys(phaseSeconds) as SimulatedPhase[]
const sessionSeconds = phases.reduce((sum, phase) => sum + phaseSeconds[phase], 0)

export interface SimulatedChargerOptions {
  /** 0 takes a free port. */
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** PIN 1 of the charger's set-up sheet. */
  readonly devKey: string
  readonly name: string
  /** Divides the length of every phase. Default 1: a session lasts about four minutes. */
  readonly speed?: number
  readonly seed?: number
  /** The phase at the start. Default `connect`: charging begins within three seconds. */
  readonly startPhase?: SimulatedPhase
  /** The current time in ms since the Unix epoch. Tests pass their own clock. */
  readonly now?: () => number
}

export interface SimulatedCharger {
  /** `http://127.0.0.1:PORT`, as `chargers[].url` of an edge's configuration expects. */
  readonly url: string
  readonly port: number
  stop(): Promise<void>
}

export async function startSimulatedCharger(options: SimulatedChargerOptions): Promise<SimulatedCharger> {
  const box = new Box(options)
  const server = createServer((request, response) => box.answer(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host ?? '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

const plateauWatts = 3 * 16 * 230
const rampSeconds = 6
const taperSeconds = 45
const cards = ['04A2B3C4D5E680', '04F1E2D3C4B580', '0477889900AA80']
/**
 * The record list stays locked this long after the last call. On the real box, the next request or Alive must come
 * within 2 s.
 */
const recordsLockMs = 2_000
const recordsPerRead = 10

/** The values of the box at a moment. Energies are in Wh, times in real seconds. */
interface Moment {
  readonly phase: SimulatedPhase
  readonly powerWatts: number
  readonly card: string
  readonly energyWh: number
  readonly durationSeconds: number
}

class Box {
  readonly #options: SimulatedChargerOptions
  readonly #now: () => number
  readonly #speed: number
  readonly #seed: number
  /** The time of the first session's start in ms, which lies before the start of the box. */
  readonly #originMs: number
  readonly #startedMs: number
  #recordsLockedUntilMs = 0
  #recordsRead = 0
  readonly #finished: number[] = []

  constructor(options: SimulatedChargerOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#speed = options.speed ?? 1
    this.#seed = options.seed ?? hash(options.name)
    this.#startedMs = this.#now()
    this.#originMs = this.#startedMs - (phaseStart(options.startPhase ?? 'connect') / this.#speed) * 1000
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const [status, body] = this.#reply(request)
    const [text, type] = typeof body === 'string' ? [body, 'text/plain'] : [JSON.stringify(body), 'application/json']
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
    response.end(text)
  }

  #reply(request: IncomingMessage): [status: number, body: object | string] {
    const url = new URL(request.url ?? '/', 'http://box')
    const route = routes[url.pathname]
    if (route === undefined || request.method !== 'GET') return [404, 'Not Found']
    const needsKey = url.pathname.startsWith('/MHCP/')
    if (needsKey && url.searchParams.get('DevKey') !== this.#options.devKey) return [403, 'Forbidden']
    const body = route(this, url.searchParams)
    return body === undefined ? [400, 'Bad Request'] : [200, body]
  }

  chargeData(): object {
    const { phase, powerWatts, card, energyWh, durationSeconds } = this.#moment()
    return {
      ChgState: chargeStates[phase],
      Tariff: 'T1',
      Price: 280,
      Uid: card,
      ChgDuration: Math.floor(durationSeconds),
      ChgNrg: Math.floor(energyWh),
      NrgDemand: 5000,
      Solar: 0,
      EmTime: 1440,
      RemTime: 1440,
      ActPwr: Math.round(powerWatts),
      ActCurr: 16,
      ...tariffs(''),
      RemoteCurr: 16,
      SolarPrice: 0,
      ExcessNrg: false,
      ...tariffs('T'),
      TRemoteCurr: 16,
      TSolarPrice: 0,
      TExcessNrg: true,
      HCCP: pilotCodes[phase]
    }
  }

  deviceInfo(): object {
    return {
      DevName: this.#options.name,
      LocTime: Math.floor(this.#now() / 1000),
      Summer: false,
      Tz: 60,
      ItemNo: '1344201',
      Sn: 100_000_000 + (this.#seed % 900_000_000),
      Hcc3: 'HCC3 V1.13',
      Hmi: 'SW:1.8 HW:0x3 SN:0xa',
      Rfid: null,
      Wifi: 'BA 1.1.9',
      FixedVehCosts: 0,
      OldVehCosts: 0,
      Color: 0,
      DevMode: 'Remote',
      ChgState: chargeStates[this.#moment().phase],
      WifiOn: true,
      AutoChg: false,
      ChgContinue: false,
      Err: 0,
      Battery: 0,
      Phases: 3,
      Cable: true,
      Auth: true,
      DsoEnabled: false,
      EmEnabled: false,
      MaxCurr: 16,
      MaxPwr: plateauWatts,
      MaxCurrWb: 16
    }
  }

  fullState(): string {
    const { phase, powerWatts, card, energyWh, durationSeconds } = this.#moment()
    const amperes = (powerWatts / 3 / 230).toFixed(2)
    const lines = {
      conn_state: connectionStates[pilotCodes[phase][0] ?? ''] ?? '',
      auth_uid: card,
      time_since_charging_start: Math.floor(durationSeconds),
      meter_wh: Math.floor(this.#lifetimeWh()),
      power_w: Math.round(powerWatts),
      transaction_wh: Math.floor(energyWh),
      type2_state: pilotCodes[phase][0]?.toLowerCase(),
      sig_current: phase === 'idle' ? 0 : 16,
      max_current: 16,
      current_a: [amperes, amperes, amperes].join(','),
      errors: 'no_errors',
      firmware_ver: '5.22.3'
    }
    return Object.entries(lines)
      .map(([key, value]) => `${key}:${value}\n`)
      .join('')
  }

  /**
   * The finished sessions, ten in each read. The list is locked as on the real box: Open, then Read until RemEntries is
   * 0, then Close.
   */
  chargeRecords(query: URLSearchParams): object | undefined {
    const state = query.get('State')
    const nowMs = this.#now()
    const locked = nowMs < this.#recordsLockedUntilMs
    if (state === 'Open' ? locked : !locked) return undefined
    this.#recordsLockedUntilMs = state === 'Close' ? 0 : nowMs + recordsLockMs
    if (state === 'Open') this.#recordsRead = 0
    if (state !== 'Read') return {}
    const from = Number(query.get('Start') ?? 0)
    const to = Number(query.get('End') ?? Number.POSITIVE_INFINITY)
    const all = this.#records().filter(({ Start }) => Start >= from && Start <= to)
    const page = all.slice(this.#recordsRead, this.#recordsRead + recordsPerRead)
    this.#recordsRead += page.length
    return { RemEntries: all.length - this.#recordsRead, Transactions: page }
  }

  #records() {
    const current = Math.floor(this.#simulatedSeconds() / sessionSeconds)
    const first = Math.floor((((this.#startedMs - this.#originMs) / 1000) * this.#speed) / sessionSeconds)
    const records = []
    for (let session = first; session < current; session++) {
      const begin = session * sessionSeconds
      const energyWh = this.#energyWh(session, sessionSeconds)
      records.push({
        Start: this.#unixSeconds(begin + phaseStart('charge')),
        Stop: this.#unixSeconds(begin + phaseStart('terminated')),
        ChgNrg: Math.floor(energyWh),
        // In tenths of a euro cent, at 28 ct/kWh.
        ChgCosts: Math.floor(energyWh * 0.28),
        Uid: this.#card(session)
      })
    }
    return records
  }

  #moment(): Moment {
    const seconds = this.#simulatedSeconds()
    const session = Math.floor(seconds / sessionSeconds)
    const into = seconds - session * sessionSeconds
    const phase = phases.findLast(candidate => phaseStart(candidate) <= into) ?? 'idle'
    // The counters of a session stay until the next session charges.
    const begun = into >= phaseStart('charge')
    const shown = begun ? session : session - 1
    const shownInto = begun ? into : sessionSeconds
    return {
      phase,
      powerWatts: this.#powerWatts(session, into),
      card: phase === 'idle' || phase === 'authorize' ? '' : this.#card(session),
      energyWh: shown < 0 ? 0 : this.#energyWh(shown, shownInto),
      durationSeconds: shown < 0 ? 0 : chargedSeconds(shownInto) / this.#speed
    }
  }

  #powerWatts(session: number, into: number): number {
    const charging = (into >= phaseStart('charge') && into < phaseStart('pause')) || isResumed(into)
    if (!charging) return 0
    const sinceOn = into - (isResumed(into) ? phaseStart('resume') : phaseStart('charge'))
    const ramp = Math.min(1, (sinceOn + 1) / rampSeconds)
    const taper = isResumed(into) ? Math.min(1, 0.12 + (phaseStart('terminated') - into) / taperSeconds) : 1
    // The sign changes every second, so that two polls one second apart differ.
    const sign = Math.floor(into) % 2 === 0 ? 1 : -1
    const noise = sign * (0.001 + (hash(`${this.#seed}/${session}/${Math.floor(into * 2)}`) / 0xffffffff) * 0.009)
    return plateauWatts * this.#carFactor(session) * ramp * taper * (1 + noise)
  }

  /** Sums the power over steps of half a second of session time, and converts the sum to real seconds. */
  #energyWh(session: number, into: number): number {
    let wattSeconds = 0
    for (let at = phaseStart('charge'); at < Math.min(into, phaseStart('terminated')); at += 0.5) {
      wattSeconds += this.#powerWatts(session, at) * Math.min(0.5, into - at)
    }
    return wattSeconds / this.#speed / 3600
  }

  /** The energy of all sessions since the first session, as the meter of an ECU counts it. */
  #lifetimeWh(): number {
    const seconds = this.#simulatedSeconds()
    const session = Math.floor(seconds / sessionSeconds)
    let energyWh = this.#energyWh(session, seconds - session * sessionSeconds)
    for (let finished = 0; finished < session; finished++) energyWh += this.#finishedWh(finished)
    return energyWh
  }

  /** Computes the energy of each session only once, because a box that runs for weeks has thousands of sessions. */
  #finishedWh(session: number): number {
    this.#finished[session] ??= this.#energyWh(session, sessionSeconds)
    return this.#finished[session]
  }

  /** The cars alternate: one uses three phases fully, one is warm, one charges on two phases. */
  #carFactor = (session: number): number => [0.985, 0.93, 0.655][(this.#seed + session) % 3] ?? 1
  #card = (session: number): string => cards[(this.#seed + session) % cards.length] ?? ''
  #simulatedSeconds = (): number => ((this.#now() - this.#originMs) / 1000) * this.#speed
  #unixSeconds = (simulated: number): number => Math.floor((this.#originMs + (simulated / this.#speed) * 1000) / 1000)
}

const routes: Readonly<Record<string, (box: Box, query: URLSearchParams) => object | string | undefined>> = {
  '/MHCP/1.0/ChargeData': box => box.chargeData(),
  '/MHCP/1.0/DevInfo': box => box.deviceInfo(),
  '/MHCP/1.0/ChargeRecords': (box, query) => box.chargeRecords(query),
  '/rest/full_state': box => box.fullState()
}

const chargeStates: Readonly<Record<SimulatedPhase, string>> = {
  idle: 'Idle',
  authorize: 'StandbyAuthorize',
  connect: 'StandbyConnect',
  charge: 'Charging',
  pause: 'Paused',
  resume: 'Charging',
  terminated: 'Terminated'
}

/** The meaning of HCCP is unknown. In all published samples it begins with the letter of IEC 61851. */
const pilotCodes: Readonly<Record<SimulatedPhase, string>> = {
  idle: 'A11',
  authorize: 'B11',
  connect: 'B21',
  charge: 'C21',
  pause: 'B21',
  resume: 'C21',
  terminated: 'B11'
}

const connectionStates: Readonly<Record<string, string>> = {
  A: 'no_vehicle_connected',
  B: 'vehicle_connected_type2',
  C: 'vehicle_charging_type2'
}

const tariffs = (prefix: '' | 'T') => ({
  [`${prefix}MaxCurrT1`]: 16,
  [`${prefix}BeginH_T1`]: 4,
  [`${prefix}BeginM_T1`]: 30,
  [`${prefix}PriceT1`]: 280,
  [`${prefix}MaxCurrT2`]: 16,
  [`${prefix}BeginH_T2`]: 22,
  [`${prefix}BeginM_T2`]: 0,
  [`${prefix}PriceT2`]: 200
})

function phaseStart(phase: SimulatedPhase): number {
  return phases.slice(0, phases.indexOf(phase)).reduce((sum, earlier) => sum + phaseSeconds[earlier], 0)
}

const isResumed = (into: number): boolean => into >= phaseStart('resume') && into < phaseStart('terminated')
const chargedSeconds = (into: number): number =>
  Math.max(0, Math.min(into, phaseStart('terminated')) - phaseStart('charge'))

/** FNV-1a with a final mix. Gives 32 bits that look random. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
