// The values that a charger may have at one moment, the same for all vendors. A value that a charger does not have is
// absent, never zero and never null.

import { chargerStatusCodePointsMax, connectedVehicleCodePointsMax } from './limits.ts'

export const operationStates = [
  'unknown',
  'off',
  'idle',
  'charging',
  'scheduled_downtime',
  'unscheduled_downtime'
] as const
export type OperationState = (typeof operationStates)[number]

/** The values of one charger at one sampling time. Units: Wh, W, A (per phase). */
export interface ChargerValues {
  readonly OperationState: OperationState
  /** Wh since the charger was first seen; never falls. */
  readonly TotalEnergyConsumption: number
  /** Wh of the current, or else the last, charging session. */
  readonly SessionEnergy: number
  /** W. */
  readonly PowerOutput: number
  /** A per phase, measured. */
  readonly OutputCurrent: number
  /** A per phase, the limit in force. */
  readonly MaximumOutputCurrent: number
  /** Card or vehicle id, "" for none. */
  readonly ConnectedVehicle: string
  /** The charger's own word for its state. */
  readonly ChargerStatus: string
}

export type ValueName = keyof ChargerValues

/** How a value is checked and where it is stored. */
export type ValueKind = 'state' | 'number' | 'text'
export interface ValueSpec {
  readonly name: ValueName
  readonly kind: ValueKind
  /** Column of `ev_readings`. */
  readonly column: string
  readonly unit: string
  /** Longest text in code points; 0 for other kinds. */
  readonly codePointsMax: number
}

const spec = (name: ValueName, kind: ValueKind, column: string, unit: string, codePointsMax = 0): ValueSpec => ({
  name,
  kind,
  column,
  unit,
  codePointsMax
})

/** In the order of the columns of `ev_readings`. */
export const valueSpecs: readonly ValueSpec[] = [
  spec('OperationState', 'state', 'operation_state', ''),
  spec('TotalEnergyConsumption', 'number', 'total_energy_consumption', 'Wh'),
  spec('SessionEnergy', 'number', 'session_energy', 'Wh'),
  spec('PowerOutput', 'number', 'power_output', 'W'),
  spec('OutputCurrent', 'number', 'output_current', 'A'),
  spec('MaximumOutputCurrent', 'number', 'maximum_output_current', 'A'),
  spec('ConnectedVehicle', 'text', 'connected_vehicle', '', connectedVehicleCodePointsMax),
  spec('ChargerStatus', 'text', 'charger_status', '', chargerStatusCodePointsMax)
]

export const valueNames: readonly ValueName[] = valueSpecs.map(({ name }) => name)
