// Mennekes Amtron Xtra, Trend and Premium (controller HCC3) over its HTTP API "MHCP 1.0". It reads ChargeData at every
// poll; DevInfo at the start, every five minutes, after a failed poll and when something is odd; ChargeRecords on
// request. Only GET: it never commands the charger. The DevKey is part of the URL, therefore no URL leaves http.ts.
// Facts: the vendor does not document the API. github.com/lephisto/amtron and orlopau/amtron (fields, units, 403 on a
// wrong key), ioBroker.amtronwallbox (samples), Mennekes "HCC3 Modbus TCP" 2021-06-25 (error codes, meaning of
// registers).

import type { ChargerValues, OperationState } from '../../../model/wire/chargerState.ts'
import { powerOutputWattsMax } from '../../../model/wire/limits.ts'
import {
  type Charger,
  type ChargerOptions,
  type Device,
  PollError,
  type Sample,
  type SessionReading,
  type SessionRecord
} from '../charger.ts'
import { ChargerHttp } from '../http.ts'
import { deviceInfoIntervalMs, deviceInfoOddIntervalMs } from '../limits.ts'
import { chargerWord, currentAmperesMax, optional, Plausible, sessionEnergyWhMax } from '../plausible.ts'

export const mennekesAmtron = (options: ChargerOptions): Charger => new MennekesAmtron(options)

/** The used fields of ChargeData. Absent if the charger left them out or said null. */
interface ChargeData {
  readonly ChgState?: string
  readonly Uid?: string
  /** s. */
  readonly ChgDuration?: number
  /** Wh of the current or last session, kept until the next one; no lifetime total. */
  readonly ChgNrg?: number
  /** W. */
  readonly ActPwr?: number
  /** A per phase: the limit in force, and not a measurement. */
  readonly ActCurr?: number
}

/** The used fields of DevInfo. */
interface DeviceInfo {
  readonly Err?: number
  readonly Phases?: number
  /** A. */
  readonly MaxCurr?: number
  readonly MaxCurrWb?: number
  readonly device: Device
}

class MennekesAmtron implements Charger {
  readonly #options: ChargerOptions
  readonly #http: ChargerHttp
  #info: DeviceInfo = { device: {} }
  #infoReadMs = Number.NEGATIVE_INFINITY
  #lastState: string | undefined

  constructor(options: ChargerOptions) {
    this.#options = options
    this.#http = new ChargerHttp(options)
  }

  async poll(): Promise<Sample> {
    const data = checkChargeData(await this.#getChargeData())
    const arrivedMonotonicMs = this.#options.clock.monotonicMs()
    if (this.#infoIsDue(data.ChgState, arrivedMonotonicMs)) await this.#readInfo(arrivedMonotonicMs)
    this.#lastState = data.ChgState
    const mapped = mapAnswer(data, this.#info, this.#options.phases)
    return { arrivedMonotonicMs, ...mapped, device: this.#info.device }
  }

  /** After a failed poll another box may stand there: DevInfo is read again. */
  async #getChargeData(): Promise<Record<string, unknown>> {
    try {
      return await this.#get('ChargeData')
    } catch (error) {
      this.#infoReadMs = Number.NEGATIVE_INFINITY
      throw error
    }
  }

  /**
   * The box locks the list: Open, Read ten at a time while there are more, Close; each within two seconds of the last
   * call.
   */
  async records(sinceMs: number, nowMs: number): Promise<readonly SessionRecord[]> {
    const { LocTime } = await this.#get('DevInfo')
    const boxAheadMs = typeof LocTime === 'number' ? LocTime * 1000 - nowMs : 0
    const seconds = (ms: number) => Math.floor((ms + boxAheadMs) / 1000)
    const range = `&Start=${seconds(sinceMs - sessionMsMax)}&End=${seconds(nowMs + sessionMsMax)}`
    const call = (state: string) => this.#text(`ChargeRecords`, `${range}&State=${state}`, true)
    await call('Open')
    try {
      const records: SessionRecord[] = []
      for (let left = recordsMax; left > 0; ) {
        const page = checkRecords(parseObject(await call('Read'), 'ChargeRecords'))
        records.push(...page.records.map(record => shifted(record, -boxAheadMs)))
        left = page.records.length === 0 ? 0 : Math.min(left - page.records.length, page.remaining)
      }
      return records
    } finally {
      // The lock ends by itself after two seconds.
      await call('Close').catch(() => {})
    }
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  #infoIsDue(state: string | undefined, nowMs: number): boolean {
    const age = nowMs - this.#infoReadMs
    if (age >= deviceInfoIntervalMs) return true
    const odd = isOdd(state) || (this.#info.Err ?? 0) !== 0
    return odd && (state !== this.#lastState || age >= deviceInfoOddIntervalMs)
  }

  /** Master data is optional: a charger that answers ChargeData and not DevInfo is polled all the same. */
  async #readInfo(nowMs: number): Promise<void> {
    this.#infoReadMs = nowMs
    try {
      this.#info = checkDeviceInfo(await this.#get('DevInfo'))
    } catch (error) {
      if (!(error instanceof PollError)) throw error
      // An old error code must not keep a charger down.
      const { Err: _, ...rest } = this.#info
      this.#info = rest
    }
  }

  async #get(call: 'ChargeData' | 'DevInfo'): Promise<Record<string, unknown>> {
    return parseObject(await this.#text(call), call)
  }

  async #text(call: string, query = '', mayBeEmpty = false): Promise<string> {
    return await this.#http.get({
      path: `/MHCP/1.0/${call}?DevKey=${encodeURIComponent(this.#options.devKey)}${query}`,
      call,
      accept: 'application/json',
      keyIsWrong: 'devKey is not PIN 1 of this charger',
      mayBeEmpty
    })
  }
}

function parseObject(text: string, call: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new PollError('bad_answer', `${call}: expected a JSON object, found something that is no JSON`, { cause })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new PollError('bad_answer', `${call}: expected a JSON object, found another JSON value`)
  }
  return parsed as Record<string, unknown>
}

function checkChargeData(raw: Record<string, unknown>): ChargeData {
  const data: ChargeData = {
    ...optional('ChgState', text(raw, 'ChgState')),
    ...optional('Uid', text(raw, 'Uid')),
    ...optional('ChgDuration', number(raw, 'ChgDuration')),
    ...optional('ChgNrg', number(raw, 'ChgNrg')),
    ...optional('ActPwr', number(raw, 'ActPwr')),
    ...optional('ActCurr', number(raw, 'ActCurr'))
  }
  if (Object.keys(data).length === 0) {
    throw new PollError('wrong_api', 'ChargeData: expected ChgState, ChgNrg and others, found none of them')
  }
  return data
}

/** Ignores wrong types: nothing of DevInfo is published. */
function checkDeviceInfo(raw: Record<string, unknown>): DeviceInfo {
  const numberOf = (name: string) => (typeof raw[name] === 'number' ? raw[name] : undefined)
  const wordOf = (name: string) =>
    typeof raw[name] === 'string' || typeof raw[name] === 'number' ? String(raw[name]).slice(0, 64) : undefined
  return {
    ...optional('Err', numberOf('Err')),
    ...optional('Phases', numberOf('Phases')),
    ...optional('MaxCurr', numberOf('MaxCurr')),
    ...optional('MaxCurrWb', numberOf('MaxCurrWb')),
    device: {
      ...optional('serial', wordOf('Sn')),
      ...optional('model', wordOf('ItemNo')),
      ...optional('firmware', wordOf('Hcc3')),
      ...optional('phases', numberOf('Phases'))
    }
  }
}

const text = (raw: Record<string, unknown>, name: string): string | undefined => field(raw, name, 'string')
const number = (raw: Record<string, unknown>, name: string): number | undefined => field(raw, name, 'number')

/** Missing and null mean "not told". A value of another type makes the whole answer untrustworthy. */
function field(raw: Record<string, unknown>, name: string, type: 'string'): string | undefined
function field(raw: Record<string, unknown>, name: string, type: 'number'): number | undefined
function field(raw: Record<string, unknown>, name: string, type: string): unknown {
  const value = raw[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === type && (type !== 'number' || Number.isFinite(value))) return value
  throw new PollError('bad_answer', `ChargeData: expected a ${type} as ${name}, found a ${typeof value}`)
}

/** ms; a session that runs when a gap begins has begun within this time. */
const sessionMsMax = 3 * 86_400_000
/** Records of one reading of the list: more than one box makes in a year. */
const recordsMax = 2_000

/** Start and Stop in s since the Unix epoch by the box's clock; Stop is 0 or null while the session runs. */
function checkRecords(raw: Record<string, unknown>): { records: SessionRecord[]; remaining: number } {
  const { Transactions, RemEntries } = raw
  if (!Array.isArray(Transactions)) {
    throw new PollError('bad_answer', 'ChargeRecords: expected a list of Transactions, found none')
  }
  return { records: Transactions.map(checkRecord), remaining: typeof RemEntries === 'number' ? RemEntries : 0 }
}

/** One document calls the energy ChrNr; code that was tried on a box reads ChgNrg. */
function checkRecord(raw: unknown): SessionRecord {
  const { Start, Stop, ChgNrg, ChrNr, Uid } = (raw ?? {}) as Record<string, unknown>
  const energyWh = ChgNrg ?? ChrNr
  if (typeof Start !== 'number' || typeof energyWh !== 'number' || !(energyWh >= 0 && energyWh <= sessionEnergyWhMax)) {
    throw new PollError('bad_answer', 'ChargeRecords: expected Start and ChgNrg as numbers, found something else')
  }
  const card = typeof Uid === 'string' ? cardOf(Uid) : undefined
  const endMs = typeof Stop === 'number' && Stop > 0 ? Stop * 1000 : undefined
  return { startMs: Start * 1000, energyWh, ...optional('endMs', endMs), ...optional('card', card) }
}

const shifted = (record: SessionRecord, ms: number): SessionRecord => ({
  ...record,
  startMs: record.startMs + ms,
  ...optional('endMs', record.endMs === undefined ? undefined : record.endMs + ms)
})

type Mapped = Pick<Sample, 'values' | 'session' | 'implausible'>

/** Maps the words of the box to ours. Pure. `phases` of the configuration overrides what the box says. */
export function mapAnswer(data: ChargeData, info: Omit<DeviceInfo, 'device'>, phases?: number): Mapped {
  const plausible = new Plausible()
  const energyWh = plausible.number('ChgNrg', data.ChgNrg, sessionEnergyWhMax)
  const vehicle = cardOf(data.Uid)
  const values: Partial<ChargerValues> = {
    OperationState: operationStateOf(data.ChgState, info.Err),
    ...optional('SessionEnergy', energyWh),
    ...optional('PowerOutput', plausible.number('ActPwr', data.ActPwr, powerBound(info, phases))),
    ...optional('MaximumOutputCurrent', plausible.number('ActCurr', data.ActCurr, currentAmperesMax)),
    ...optional('ConnectedVehicle', plausible.card('Uid', vehicle)),
    ...optional('ChargerStatus', data.ChgState === undefined ? undefined : chargerWord(data.ChgState))
  }
  const durationSeconds = plausible.number('ChgDuration', data.ChgDuration, Number.MAX_SAFE_INTEGER)
  const session: SessionReading | undefined =
    energyWh === undefined
      ? undefined
      : { energyWh, ...optional('durationSeconds', durationSeconds), ...optional('card', vehicle) }
  return { values, ...optional('session', session), implausible: plausible.found }
}

/** A per phase; the rating of the largest Amtron, used if the box does not tell its own. */
const ratedAmperesDefault = 32
/** V; well above the 230 V of a phase, because ActPwr is an average with "heavy overshoots" (HCC3 Modbus, 0x030F). */
const boundVolts = 400

/** W. In one published DevInfo all limits are 0: that means "not told". */
function powerBound(info: Omit<DeviceInfo, 'device'>, configured: number | undefined): number {
  const phases = info.Phases === 1 || info.Phases === 2 ? info.Phases : 3
  const amperes = Math.max(info.MaxCurr ?? 0, info.MaxCurrWb ?? 0) || ratedAmperesDefault
  return Math.min(powerOutputWattsMax, (configured ?? phases) * amperes * boundVolts)
}

const statesOfWords: ReadonlyMap<string | undefined, OperationState> = new Map<string, OperationState>([
  ['Charging', 'charging'],
  ['Idle', 'idle'],
  ['Paused', 'idle'],
  ['StandbyAuthorize', 'idle'],
  ['StandbyConnect', 'idle'],
  ['Terminated', 'idle'],
  ['Error', 'unscheduled_downtime']
])

const isOdd = (word: string | undefined): boolean => word === 'Error' || !statesOfWords.has(word)

/**
 * Err holds HCC3 codes (HCC3 Modbus, 0x0304): 0 none, 30 starting up, 102 maintenance, 103 disabled, all others
 * faults. It is up to five minutes old: a box that charges now is charging, whatever Err was.
 */
function operationStateOf(word: string | undefined, err: number | undefined): OperationState {
  const state = statesOfWords.get(word) ?? 'unknown'
  if (state === 'charging' || err === undefined || err === 0) return state
  if (err === 30) return 'unknown'
  return err === 102 || err === 103 ? 'scheduled_downtime' : 'unscheduled_downtime'
}

/** The card, "" for none. "00000000" is a start without a card. */
const cardOf = (uid: string | undefined): string | undefined => (uid === undefined || /[^0]/.test(uid) ? uid : '')
