// The ingest page: shows whether the server stores data right now. The live connection brings figures once a second.

import { useEffect, useRef, useState } from 'preact/hooks'
import type { IngestFigures } from '../../model/api/api.ts'
import { RateChart, type RatePoint } from '../charts/rateChart.tsx'
import { ask } from '../data/ask.ts'
import { useAsk, useLive } from '../data/dashboard.ts'
import { formatNumber, milliseconds, timeOfDay, unknownText } from '../format.ts'
import { Tile } from '../parts/tile.tsx'

/** Five minutes at one point per second. */
const pointsMax = 300

export function IngestPage() {
  const { live, isLive } = useLive()
  const first = useAsk('ingest', signal => ask<IngestFigures>('/api/v1/ingest', {}, signal))
  const figures = live.ingest ?? first.answer
  const points = usePoints(figures)
  useEffect(() => {
    document.title = 'Ingest · chargelift'
  }, [])
  return (
    <>
      <div class="page-head">
        <h1>Ingest</h1>
        <p class="quiet">
          {figures === undefined
            ? 'No figures yet'
            : `${isLive ? 'As of' : 'Not live: as of'} ${timeOfDay(figures.time)}`}
        </p>
      </div>
      {figures === undefined && first.fault !== undefined && (
        <p class="fault" role="alert">
          The figures could not be loaded: {first.fault}
        </p>
      )}
      <Database figures={figures} />
      <Tiles figures={figures} />
      <section class="card">
        <div class="card-head">
          <h2>Messages per second</h2>
          <p class="legend">
            <span class="key key-received">Received</span>
            <span class="key key-committed">Committed</span>
          </p>
        </div>
        <RateChart points={points} />
      </section>
      <div class="columns">
        <Lanes figures={figures} />
        <Rejected figures={figures} />
      </div>
    </>
  )
}

function textOf({ up, reason }: IngestFigures['database']): string {
  if (up) return 'The database answers. What is received is being stored.'
  const away = `The database does not answer${reason ? `: ${reason}` : ''}.`
  return `${away} Nothing is lost: edges keep what is not acknowledged.`
}

function Database({ figures }: { figures: IngestFigures | undefined }) {
  const tone = figures === undefined ? 'muted' : figures.database.up ? 'active' : 'bad'
  const text = figures === undefined ? 'Not known yet' : textOf(figures.database)
  return (
    <div class={`banner tone-${tone}`} role="status">
      <span class="dot" aria-hidden="true" />
      {text}
    </div>
  )
}

function Tiles({ figures }: { figures: IngestFigures | undefined }) {
  const days = figures?.certificateDays
  const rejected = figures && Object.values(figures.rejected).reduce((sum, count) => sum + count, 0)
  return (
    <dl class="tiles ingest-tiles">
      <Tile
        word="Messages"
        value={formatNumber(figures?.receivedPerSecond)}
        unit="/s"
        note={`${formatNumber(figures?.received)} in all`}
      />
      <Tile
        word="Committed"
        value={formatNumber(figures?.committedPerSecond)}
        unit="/s"
        note={`${formatNumber(figures?.committed)} in all`}
      />
      <Tile word="In flight" value={formatNumber(figures?.inFlight)} note="not yet stored" />
      <Tile
        name="rejected"
        word="Rejected"
        value={formatNumber(rejected)}
        note={`${formatNumber(figures?.dropped)} dropped`}
        tone={rejected ? 'notice' : ''}
      />
      <Tile
        word="Acknowledged in"
        value={milliseconds(figures?.ackSeconds?.p50)}
        unit="ms"
        note={figures?.ackSeconds ? `99 %: ${milliseconds(figures.ackSeconds.p99)} ms` : 'none recently'}
      />
      <Tile
        word="Batch commit"
        value={milliseconds(figures?.batchSeconds?.p50)}
        unit="ms"
        note={figures?.batchSeconds ? `99 %: ${milliseconds(figures.batchSeconds.p99)} ms` : 'none recently'}
      />
      <Tile word="Connections" value={formatNumber(figures?.connections)} note="over MQTT" />
      <Tile
        word="Certificate"
        value={days === null || days === undefined ? unknownText : formatNumber(Math.floor(days))}
        unit="days"
        note={days !== null && days !== undefined && days < 30 ? 'Renew it soon' : 'until it ends'}
        tone={days !== null && days !== undefined && days < 30 ? 'bad' : ''}
      />
    </dl>
  )
}

function Lanes({ figures }: { figures: IngestFigures | undefined }) {
  const lanes = figures?.lanes ?? []
  const most = Math.max(1, ...lanes.map(({ backlog }) => backlog))
  return (
    <section class="card">
      <div class="card-head">
        <h2>Lanes</h2>
      </div>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Lane</th>
            <th scope="col" class="number">
              Waiting messages
            </th>
            <th scope="col">
              <span class="visually-hidden">Share</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {lanes.map(({ lane, backlog, late }) => (
            <tr key={lane}>
              <th scope="row">{late ? 'Late data' : `Lane ${formatNumber(lane + 1)}`}</th>
              <td class="number">{formatNumber(backlog)}</td>
              <td class="meter-cell">
                <span class="meter" aria-hidden="true" style={{ '--share': `${(100 * backlog) / most}%` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Rejected({ figures }: { figures: IngestFigures | undefined }) {
  const reasons = Object.entries(figures?.rejected ?? {}).filter(([, count]) => count > 0)
  reasons.sort(([, a], [, b]) => b - a)
  return (
    <section class="card">
      <div class="card-head">
        <h2>Rejected, by reason</h2>
      </div>
      {reasons.length === 0 ? (
        <p class="quiet">None since the start. What is rejected is stored with its reason, and acknowledged.</p>
      ) : (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Reason</th>
              <th scope="col" class="number">
                Messages
              </th>
            </tr>
          </thead>
          <tbody>
            {reasons.map(([reason, count]) => (
              <tr key={reason}>
                <th scope="row">{reason.replaceAll('_', ' ')}</th>
                <td class="number">{formatNumber(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

/** The figures of the last minutes. They are collected while the page is open. */
function usePoints(figures: IngestFigures | undefined): readonly RatePoint[] {
  const [points, setPoints] = useState<readonly RatePoint[]>([])
  const last = useRef('')
  useEffect(() => {
    if (figures === undefined || figures.time === last.current) return
    last.current = figures.time
    const { time, receivedPerSecond: received, committedPerSecond: committed } = figures
    setPoints(before => [...before, { seconds: Date.parse(time) / 1000, received, committed }].slice(-pointsMax))
  }, [figures])
  return points
}
