// Mennekes Amtron Charge Control and Professional, Amedio, and other boxes with the ECU of Bender (CC612, CC613), over
// `GET /rest/full_state` (firmware 5.13 or newer): lines of `key:value`. The box has a lifetime meter and measures
// currents. Lines are found by their key: a firmware update inserted one (ioBroker.amtronwallbox #423), so their order
// means nothing. The API needs no key and tells no serial number. Only GET: it never commands the charger. Facts:
// adminlabs.de, ioBroker.amtronwallbox, evcc #12646 (samples of 5.22 and 5.33); the vendor does not document it.

import type { ChargerValues, OperationState } from '../../../model/wire/chargerState.ts'
import { powerOutputWattsMax } from '../../../model/wire/limits.ts'
import { type Charger, type ChargerOptions, PollError, type Sample } from '../charger.ts'
import { ChargerHttp } from '../http.ts'
import { chargerWord, currentAmperesMax, optional, Plausible, sessionEnergyWhMax } from '../plausible.ts'

export const mennekesEcu = (options: ChargerOptions): Charger => {
  const http = new ChargerHttp(options)
  return {
    poll: async () => {
      const text = await http.get(request)
      const arrivedMonotonicMs = options.clock.monotonicMs()
      const state = parseState(text)
      const device = { ...optional('firmware', state.get('firmware_ver')?.slice(0, 64)) }
      return { arrivedMonotonicMs, ...mapState(state, options.phases), device }
    },
    close: () => http.close()
  }
}

const request = {
  path: '/rest/full_state',
  call: 'full_state',
  accept: 'text/plain, */*',
  keyIsWrong: 'the box wants a log-in here'
}

/** Key to value, both trimmed. A value may hold colons, and may be empty. */
type State = ReadonlyMap<string, string>

function parseState(text: string): State {
  const state = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) state.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim())
  }
  if (!['conn_state', 'type2_state', 'meter_wh'].some(key => state.has(key))) {
    throw new PollError(
      'wrong_api',
      'full_state: expected lines of conn_state, meter_wh and others, found none of them'
    )
  }
  return state
}

/** Maps the lines of the box to our values. Pure. `phases` bounds the plausible power. */
export function mapState(state: State, phases = 3): Pick<Sample, 'values' | 'implausible'> {
  const plausible = new Plausible()
  const number = (key: string, max: number) => plausible.number(key, numberOf(state.get(key)), max)
  const status = statusOf(state)
  const powerMax = Math.min(powerOutputWattsMax, phases * currentAmperesMax * boundVolts)
  const values: Partial<ChargerValues> = {
    OperationState: operationStateOf(state),
    ...optional('TotalEnergyConsumption', number('meter_wh', meterWhMax)),
    ...optional('SessionEnergy', number('transaction_wh', sessionEnergyWhMax)),
    ...optional('PowerOutput', number('power_w', powerMax)),
    ...optional('OutputCurrent', plausible.number('current_a', highestOf(state.get('current_a')), currentAmperesMax)),
    ...optional('MaximumOutputCurrent', limitOf(state, number)),
    ...optional('ConnectedVehicle', plausible.card('auth_uid', state.get('auth_uid'))),
    ...optional('ChargerStatus', status && chargerWord(status))
  }
  return { values, implausible: plausible.found }
}

/** V; generous: a phase has 230 V. */
const boundVolts = 400
/** Wh; 0xFFFFFFFF means "no meter" in all registers of this family. */
const meterWhMax = 1_000_000_000

/** NaN, which no bound accepts, for a text that is no number; undefined for an empty text. */
const numberOf = (text: string | undefined): number | undefined =>
  !text ? undefined : /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN

/** A per phase: one number, or one per phase. */
const highestOf = (text: string | undefined): number | undefined =>
  !text ? undefined : Math.max(...text.split(',').map(part => numberOf(part.trim()) ?? Number.NaN))

/** The limit that is signalled to the vehicle; without a vehicle, the limit that would be. */
function limitOf(state: State, number: (key: string, max: number) => number | undefined): number | undefined {
  const signalled = number('sig_current', currentAmperesMax)
  if (signalled !== undefined && (signalled > 0 || isPlugged(state))) return signalled
  return number('energy_man_current', currentAmperesMax) ?? number('max_current', currentAmperesMax) ?? signalled
}

const isPlugged = (state: State): boolean =>
  state.get('conn_state')?.startsWith('vehicle_') ?? /^[bcd]/i.test(state.get('type2_state') ?? '')

/** IEC 61851: A no vehicle, B vehicle, C and D charging, E and F fault. */
function operationStateOf(state: State): OperationState {
  const letter = state.get('type2_state')?.[0]?.toLowerCase() ?? ''
  if (letter === 'e' || letter === 'f') return 'unscheduled_downtime'
  const word = state.get('conn_state')
  if (word === undefined)
    return ({ a: 'idle', b: 'idle', c: 'charging', d: 'charging' }[letter] as OperationState) ?? 'unknown'
  if (word.startsWith('vehicle_charging')) return 'charging'
  return word.startsWith('vehicle_connected') || word.startsWith('no_vehicle') ? 'idle' : 'unknown'
}

/**
 * The text of `errors` is in the language of the box. Unless it is known to mean "none", it replaces the state, and
 * nothing is concluded from it.
 */
function statusOf(state: State): string | undefined {
  const errors = state.get('errors')
  return !errors || /^(no_errors?|keine_fehler)$/i.test(errors) ? state.get('conn_state') : errors
}
