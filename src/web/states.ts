// The words and colours of charger states, connections and problems. Every colour appears together with its word. The
// tones' names are classes of the style sheet.

import type { ConnectionState, ProblemCondition } from '../model/api/api.ts'
import type { OperationState } from '../model/wire/chargerState.ts'

export type Tone = 'active' | 'calm' | 'muted' | 'notice' | 'bad'

interface Shown {
  readonly word: string
  readonly tone: Tone
}

const states: Readonly<Record<OperationState, Shown>> = {
  charging: { word: 'Charging', tone: 'active' },
  idle: { word: 'Idle', tone: 'calm' },
  scheduled_downtime: { word: 'Planned downtime', tone: 'notice' },
  unscheduled_downtime: { word: 'Out of order', tone: 'bad' },
  off: { word: 'Off', tone: 'muted' },
  unknown: { word: 'Unknown', tone: 'muted' }
}

/** The states in the order of the filters. */
export const stateNames = Object.keys(states) as OperationState[]

export const stateOf = (value: unknown): OperationState =>
  typeof value === 'string' && Object.hasOwn(states, value) ? (value as OperationState) : 'unknown'

export const shownState = (state: OperationState): Shown => states[state]

const connections: Readonly<Record<ConnectionState, Shown>> = {
  online: { word: 'Online', tone: 'active' },
  offline: { word: 'Offline', tone: 'bad' }
}

export const shownConnection = (connection: ConnectionState | null): Shown =>
  connection === null ? { word: 'Never seen', tone: 'muted' } : connections[connection]

const problems: Readonly<Record<ProblemCondition, string>> = {
  offline: 'Offline',
  silent: 'Silent',
  unreachable: 'Unreachable',
  fault: 'Fault',
  backlog: 'Backlog',
  clock: 'Clock',
  certificate: 'Certificate',
  version: 'Version'
}

export const problemNames = Object.keys(problems) as ProblemCondition[]
export const problemWord = (condition: ProblemCondition): string => problems[condition]
