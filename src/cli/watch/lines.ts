// Turns live events into lines, for people or for programs. Pure.

import type { EventSourceMessage } from 'eventsource-parser'
import type { LiveConnection, LiveReading, LiveStatus } from '../../model/api/api.ts'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { harmless, number } from './figures.ts'

const units = new Map<string, string>(valueSpecs.map(({ name, unit }) => [name, unit]))
const nameWidth = Math.max(...valueSpecs.map(({ name }) => name.length))

/** The lines for people. Events of other kinds give no lines. */
export function textLines({ event, data }: EventSourceMessage): readonly string[] {
  if (event === 'reading') return (JSON.parse(data) as LiveReading[]).map(readingLine)
  if (event === 'connection') {
    return (JSON.parse(data) as LiveConnection[]).map(({ charger, state, since }) =>
      line(since, charger, 'Connection', state)
    )
  }
  if (event === 'status') return (JSON.parse(data) as LiveStatus[]).map(statusLine)
  return []
}

export function jsonLines({ event, data }: EventSourceMessage): readonly string[] {
  if (event !== 'reading' && event !== 'connection' && event !== 'status') return []
  return (JSON.parse(data) as object[]).map(item => JSON.stringify({ event, ...item }))
}

function readingLine({ time, charger, name, value }: LiveReading): string {
  if (typeof value === 'string') return line(time, charger, name, value === '' ? '""' : value)
  const unit = units.get(name)
  return line(time, charger, name, unit ? `${number(value)} ${unit}` : number(value))
}

function statusLine({ charger, status }: LiveStatus): string {
  const { SamplingTime, ...members } = status
  const texts = Object.entries(members).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`
  )
  return line(String(SamplingTime), charger, 'EdgeStatus', texts.join(' '))
}

const line = (time: string, charger: string, name: string, value: string): string =>
  harmless(`${time}  ${charger}  ${name.padEnd(nameWidth)}  ${value}`)
