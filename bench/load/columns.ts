// The values that a simulated charger sends, in the order in which `--values K` takes them. Each value is a whole
// number of units. Sums over any number of rows are therefore exact, on the charger's side and in SQL.

export interface Column {
  readonly valueName: string
  /** The value's column in ev_readings. */
  readonly column: string
  /** The number of units in 1 of the value. Undefined for texts: the unit of a text is its place in `texts`, from 1. */
  readonly scale: 1 | 10 | undefined
  readonly texts: readonly string[]
}

const number = (valueName: string, column: string, scale: 1 | 10): Column => ({ valueName, column, scale, texts: [] })
const text = (valueName: string, column: string, texts: readonly string[]): Column => ({
  valueName,
  column,
  scale: undefined,
  texts
})

export const states = ['idle', 'charging', 'scheduled_downtime', 'unknown', 'off', 'unscheduled_downtime'] as const
export const words = ['Idle', 'Authorize', 'Connect', 'Charge', 'Pause', 'Terminated'] as const
export const cards = [
  '',
  ...Array.from({ length: 15 }, (_, i) => `04A2B3C4D5E6${(0x80 + i).toString(16).toUpperCase()}`)
]

export const columns: readonly Column[] = [
  number('PowerOutput', 'power_output', 1),
  number('TotalEnergyConsumption', 'total_energy_consumption', 1),
  number('OutputCurrent', 'output_current', 10),
  number('MaximumOutputCurrent', 'maximum_output_current', 1),
  text('OperationState', 'operation_state', states),
  number('SessionEnergy', 'session_energy', 1),
  text('ConnectedVehicle', 'connected_vehicle', cards),
  text('ChargerStatus', 'charger_status', words)
]

export const valuesMax = columns.length

/** SQL for a column of ev_readings in units. The result is null where the column holds nothing that a charger sent. */
export function unitsSql({ column, scale, texts }: Column): string {
  if (scale !== undefined) return scale === 1 ? `r.${column}` : `round(r.${column} * ${scale})`
  return `array_position(ARRAY[${texts.map(text => `'${text}'`).join(', ')}], r.${column}::text)::float8`
}

/** The value as a JSON literal, as the payload contains it. */
export const literalOf = ({ scale, texts }: Column, units: number): string =>
  scale === undefined ? JSON.stringify(texts[units - 1]) : JSON.stringify(units / scale)
