// One charger: its current values, charts, charging sessions, and the last status of its edge.

import { useEffect, useState } from 'preact/hooks'
import type {
  ChargerAnswer,
  ChargerSummary,
  ChargingSession,
  MessagesAnswer,
  SessionsAnswer
} from '../../model/api/api.ts'
import type { ValueName } from '../../model/wire/chargerState.ts'
import type { SentEdgeStatus } from '../../model/wire/edgeStatus.ts'
import { ChargerChart } from '../charts/chargerChart.tsx'
import { ask } from '../data/ask.ts'
import { useAsk, useDashboard, useFleet, useNow } from '../data/dashboard.ts'
import { numberOf, operationState, vehicleOf } from '../data/fleetList.ts'
import {
  age,
  amperes,
  dateAndSeconds,
  dateAndTime,
  formatNumber,
  kilowattHours,
  kilowatts,
  unknownText
} from '../format.ts'
import { ConnectionMark, StateBadge } from '../parts/badges.tsx'
import { shownVehicle } from '../parts/fleetTable.tsx'
import { Arrow } from '../parts/icons.tsx'
import { SessionsTable } from '../parts/sessionsTable.tsx'
import { Tile } from '../parts/tile.tsx'
import { problemWord } from '../states.ts'

const dayMs = 86_400_000
const sessionsShown = 10
const messagesShown = 20
const refreshMs = 10_000

export function ChargerPage({ name }: { name: string }) {
  const path = `/api/v1/chargers/${encodeURIComponent(name)}`
  const fleet = useFleet()
  const tick = useTick(refreshMs)
  const { answer, fault } = useAsk(name, async signal => {
    const found = await ask<ChargerAnswer>(path, {}, signal)
    fleet.loadOne(found)
    return found
  })
  const status = useStatus(name, answer?.edgeStatus ?? null)
  const { answer: messages } = useAsk(`${name}/${tick}`, signal =>
    ask<MessagesAnswer>(`${path}/messages`, { limit: messagesShown }, signal)
  )
  useEffect(() => {
    document.title = `${name} · chargelift`
  }, [name])
  const charger = fleet.chargers.get(name) ?? answer
  const timeZone = answer?.timeZone ?? 'UTC'

  if (charger === undefined && fault !== undefined) {
    return (
      <>
        <BackLink />
        <h1>{name}</h1>
        <p class="empty">{fault}</p>
      </>
    )
  }
  return (
    <>
      <BackLink />
      <ChargerHead name={name} charger={charger} timeZone={timeZone} tariff={answer?.tariff ?? null} />
      <Problems name={name} timeZone={timeZone} />
      <Values charger={charger} />
      <ChargerChart charger={name} timeZone={timeZone} />
      <ChargerSessions name={name} timeZone={timeZone} tick={tick} />
      <div class="columns columns-uneven">
        <Messages messages={messages} timeZone={timeZone} />
        <EdgeStatus status={status} timeZone={timeZone} />
      </div>
    </>
  )
}

const BackLink = () => (
  <a class="back" href="/">
    <Arrow direction="left" />
    Fleet
  </a>
)

interface HeadProps {
  readonly name: string
  readonly charger: ChargerSummary | undefined
  readonly timeZone: string
  readonly tariff: string | null
}

function ChargerHead({ name, charger, timeZone, tariff }: HeadProps) {
  const now = useNow()
  const about = [
    charger?.label,
    charger?.site,
    charger?.serial && `Serial ${charger.serial}`,
    tariff && `Tariff ${tariff}`,
    `Times in ${timeZone}`
  ]
  const last = charger?.lastSampleTime
  return (
    <div class="page-head">
      <div>
        <h1 class="charger-name">{name}</h1>
        <p class="quiet charger-about">{about.filter(Boolean).join(' · ')}</p>
      </div>
      <div class="charger-now">
        {charger && <StateBadge state={operationState(charger)} />}
        {charger && <ConnectionMark connection={charger.connection} />}
        <span class="quiet">
          {charger?.connectionSince ? `since ${dateAndTime(charger.connectionSince, timeZone)}` : ''}
        </span>
        <span class="quiet sample-age">
          {last ? `Last sample ${age(now - Date.parse(last))} ago` : 'No sample yet'}
        </span>
      </div>
    </div>
  )
}

function Problems({ name, timeZone }: { name: string; timeZone: string }) {
  const problems = useDashboard().fleet.problemsOf(name)
  if (problems.length === 0) return null
  return (
    <ul class="banners" aria-label="Problems">
      {problems.map(({ condition, cause, since }) => (
        <li key={condition} class="banner tone-bad">
          <span class="dot" aria-hidden="true" />
          <span>
            <strong>{problemWord(condition)}</strong> since {dateAndTime(since, timeZone)}. {cause}
          </span>
        </li>
      ))}
    </ul>
  )
}

function Values({ charger }: { charger: ChargerSummary | undefined }) {
  const number = (name: Parameters<typeof numberOf>[1]): number | null => (charger ? numberOf(charger, name) : null)
  const vehicle = charger ? vehicleOf(charger) : ''
  const current = number('OutputCurrent')
  return (
    <dl class="tiles charger-tiles">
      <Tile name="PowerOutput" word="Power" value={kilowatts(number('PowerOutput'))} unit="kW" />
      <Tile
        name="OutputCurrent"
        word="Current"
        value={amperes(current)}
        unit="A"
        note={current === null ? 'Not measured' : 'per phase'}
      />
      <Tile
        name="MaximumOutputCurrent"
        word="Limit"
        value={amperes(number('MaximumOutputCurrent'))}
        unit="A"
        note="per phase"
      />
      <Tile name="SessionEnergy" word="Session" value={kilowattHours(number('SessionEnergy'))} unit="kWh" />
      <Tile name="energyToday" word="Today" value={kilowattHours(charger?.energyTodayWh)} unit="kWh" />
      <Tile
        name="TotalEnergyConsumption"
        word="Total"
        value={kilowattHours(number('TotalEnergyConsumption'))}
        unit="kWh"
      />
      <Tile
        name="ConnectedVehicle"
        word="Vehicle"
        value={vehicle === '' ? unknownText : shownVehicle(vehicle)}
        note={vehicle === '' ? 'None' : ''}
      />
      <Tile
        name="ChargerStatus"
        word="Charger says"
        value={String(charger?.values.ChargerStatus?.value || unknownText)}
      />
    </dl>
  )
}

function ChargerSessions({ name, timeZone, tick }: { name: string; timeZone: string; tick: number }) {
  const { live } = useDashboard()
  const { answer, fault } = useAsk(`${name}/sessions/${Math.floor(tick / 6)}`, signal => {
    const to = live.now()
    const query = { charger: name, from: iso(to - 30 * dayMs), to: iso(to), limit: sessionsShown }
    return ask<SessionsAnswer>('/api/v1/sessions', query, signal)
  })
  const sessions: readonly ChargingSession[] = answer?.sessions ?? []
  return (
    <section class="card">
      <div class="card-head">
        <h2>Charging sessions</h2>
        <a class="button" href={`/sessions?charger=${encodeURIComponent(name)}`}>
          All sessions
        </a>
      </div>
      {fault !== undefined && <p class="fault">The sessions could not be loaded: {fault}</p>}
      {sessions.length > 0 ? (
        <SessionsTable sessions={sessions} zoneOf={() => timeZone} withCharger={false} />
      ) : (
        <p class="quiet">{answer === undefined ? 'Loading …' : 'None within the last 30 days.'}</p>
      )}
    </section>
  )
}

const units: Readonly<Partial<Record<string, string>>> = {
  TotalEnergyConsumption: 'Wh',
  SessionEnergy: 'Wh',
  PowerOutput: 'W',
  OutputCurrent: 'A',
  MaximumOutputCurrent: 'A'
} satisfies Partial<Record<ValueName, string>>

function Messages({ messages, timeZone }: { messages: MessagesAnswer | undefined; timeZone: string }) {
  return (
    <section class="card">
      <div class="card-head">
        <h2>Latest messages</h2>
      </div>
      {messages?.messages.length === 0 && <p class="quiet">None yet.</p>}
      <ol class="messages">
        {(messages?.messages ?? []).map(({ time, values }) => (
          <li key={time}>
            <time dateTime={time}>{dateAndSeconds(time, timeZone)}</time>
            <span class="message-values">
              {Object.entries(values).map(([name, value]) => (
                <span key={name} class="message-value">
                  <span class="quiet">{name}</span>{' '}
                  {typeof value === 'number' ? formatNumber(value, Number.isInteger(value) ? 0 : 2) : value || '""'}
                  {units[name] !== undefined && <span class="unit"> {units[name]}</span>}
                </span>
              ))}
            </span>
          </li>
        ))}
      </ol>
    </section>
  )
}

function EdgeStatus({ status, timeZone }: { status: SentEdgeStatus | null; timeZone: string }) {
  return (
    <section class="card">
      <div class="card-head">
        <h2>Edge</h2>
      </div>
      {status === null ? (
        <p class="quiet">Its edge has not told anything about itself.</p>
      ) : (
        <dl class="facts">
          {Object.entries(status).map(([key, value]) => (
            <div key={key}>
              <dt>{wordsOf(key)}</dt>
              <dd>{factOf(value, timeZone)}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}

/** Turns a key into words: `OldestUnsent` becomes "Oldest unsent". */
function wordsOf(key: string): string {
  const words = key.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function factOf(value: unknown, timeZone: string): string {
  if (value === null || value === undefined || value === '') return unknownText
  if (typeof value === 'number') return formatNumber(value, Number.isInteger(value) ? 0 : 2)
  if (typeof value === 'string') return /^\d{4}-\d\d-\d\dT/.test(value) ? dateAndTime(value, timeZone) : value
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return Object.entries(value)
    .map(([key, part]) => `${wordsOf(key)}: ${factOf(part, timeZone)}`)
    .join(', ')
}

/** The status comes from the API first, then from live events. */
function useStatus(name: string, loaded: SentEdgeStatus | null): SentEdgeStatus | null {
  const dashboard = useDashboard()
  const [told, setTold] = useState<SentEdgeStatus | null>(null)
  useEffect(
    () =>
      dashboard.watchStatuses(statuses => {
        const mine = statuses.findLast(({ charger }) => charger === name)
        if (mine !== undefined) setTold(mine.status)
      }),
    [dashboard, name]
  )
  return told ?? loaded
}

/** A counter that grows every `ms` while the page is visible. */
function useTick(ms: number): number {
  const [tick, setTick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && setTick(count => count + 1), ms)
    return () => clearInterval(timer)
  }, [ms])
  return tick
}

const iso = (ms: number): string => new Date(ms).toISOString()
