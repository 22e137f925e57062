// What is wrong with a charger, judged by what is known of it. Pure: facts and the time in, findings out. What an edge
// says about itself counts while it is connected. Only the end of its certificate counts without a connection.

import type { Condition } from '../../../model/api/problem.ts'
import type { operationStates } from '../../../model/wire/chargerState.ts'
import type { ChargerFacts } from './facts.ts'
import { backlogAgeMs, certificateSoonMs } from './limits.ts'

export interface Surroundings {
  readonly nowMs: number
  /** Since when this server has been storing without a pause. Silence before that proves nothing. */
  readonly storingSinceMs: number
  readonly silentAfterMs: number
  /** Of this server. */
  readonly version: string
}

export interface Finding {
  readonly condition: Condition
  readonly cause: string
  readonly sinceMs: number
}

type Rule = (
  facts: ChargerFacts,
  surroundings: Surroundings,
  wasOpen: boolean
) => Omit<Finding, 'condition'> | undefined

/** In the order of `conditions`. `wasOpen` tells which conditions hold already. A healthy charger allocates nothing. */
export function judge(
  facts: ChargerFacts,
  surroundings: Surroundings,
  wasOpen: (condition: Condition) => boolean
): readonly Finding[] {
  let findings: Finding[] | undefined
  for (const [condition, rule] of rules) {
    const found = rule(facts, surroundings, wasOpen(condition))
    if (found === undefined) continue
    findings ??= []
    findings.push({ condition, ...found })
  }
  return findings ?? none
}

const none: readonly Finding[] = []
const fault = 'unscheduled_downtime' satisfies (typeof operationStates)[number]

const silent: Rule = ({ sampledMs, connection, edge }, { nowMs, storingSinceMs, silentAfterMs }, wasOpen) => {
  if (sampledMs === undefined || nowMs - sampledMs < silentAfterMs) return undefined
  if (!wasOpen && nowMs - storingSinceMs < silentAfterMs) return undefined
  return { cause: silence(connection?.isOnline === true, edge?.reachability), sinceMs: sampledMs }
}

function silence(isOnline: boolean, reachability = 'ok'): string {
  if (!isOnline) return 'No new values from this charger: its edge is not connected.'
  if (reachability !== 'ok') return 'No new values from this charger: its edge cannot read it.'
  return 'No new values from this charger, although its edge is connected: restart the edge.'
}

const offline: Rule = ({ connection }) =>
  connection === undefined || connection.isOnline
    ? undefined
    : {
        cause: 'The edge at this charger is not connected to the server: look at its power and its network.',
        sinceMs: connection.sinceMs
      }

const unreachable: Rule = ({ connection, edge }) => {
  if (!connection?.isOnline || edge?.reachability === undefined || edge.reachability === 'ok') return undefined
  const cause = reachabilityCauses[edge.reachability] ?? `The edge cannot read this charger (${edge.reachability}).`
  return { cause, sinceMs: edge.reachabilitySinceMs ?? edge.timeMs }
}

const reachabilityCauses: Readonly<Record<string, string>> = {
  timeout: 'The charger does not answer its edge: look at its power, and at the network between the two.',
  refused: 'The charger refuses the connection of its edge: its API is switched off, or the address is not its own.',
  forbidden: "The charger refuses the key of its edge: correct devKey in the edge's configuration.",
  wrong_api: "What answers at the charger's address is not its API: correct url or driver in the edge's configuration.",
  wrong_serial:
    'Another charger answers at this address: if it was replaced, start the edge once with --accept-serial.',
  bad_answer: 'The charger answers its edge with what cannot be read: restart the charger.'
}

const faulty: Rule = ({ state, ownWord }) => {
  if (state?.word !== fault) return undefined
  const word = ownWord()
  const cause = word ? `The charger reports a fault: "${word}".` : 'The charger reports a fault, and cannot charge.'
  return { cause, sinceMs: state.sinceMs }
}

const backlog: Rule = ({ connection, edge }) => {
  if (!connection?.isOnline || edge?.oldestUnsentMs === undefined) return undefined
  if (edge.timeMs - edge.oldestUnsentMs < backlogAgeMs) return undefined
  const given =
    edge.dropped + edge.thinned > 0
      ? ` Its disk ran full: since its start ${edge.dropped + edge.thinned} were given up.`
      : ''
  return {
    cause: `${edge.unsentSamples} samples wait on the edge's disk to be sent.${given}`,
    sinceMs: edge.oldestUnsentMs
  }
}

const clock: Rule = ({ connection, edge }) => {
  const cause = connection?.isOnline && edge?.clock !== undefined ? clockCauses[edge.clock] : undefined
  return cause === undefined ? undefined : { cause, sinceMs: edge!.timeMs }
}

/** A clock that is `synchronised` or `server` is right. `system` is right unless something contradicts it. */
const clockCauses: Readonly<Record<string, string>> = {
  unset: 'The clock of the edge is not set: allow it NTP (UDP 123).',
  unsynchronised: 'The clock of the edge is not synchronised: allow it NTP (UDP 123).',
  leapt: 'The clock of the edge has leapt, and is not followed: look at its NTP and its time.'
}

const certificate: Rule = ({ edge }, { nowMs }) => {
  if (edge?.certificateEndsMs === undefined || edge.certificateEndsMs - nowMs > certificateSoonMs) return undefined
  const days = Math.floor((edge.certificateEndsMs - nowMs) / dayMs)
  const when = days < 0 ? 'has ended' : days === 0 ? 'ends within a day' : `ends in ${days} day${days === 1 ? '' : 's'}`
  return {
    cause: `The certificate of the edge ${when}: renew it with "chargelift certs renew".`,
    sinceMs: edge.certificateEndsMs - certificateSoonMs
  }
}
const dayMs = 86_400_000

const version: Rule = ({ connection, edge }, surroundings) => {
  if (!connection?.isOnline || edge?.version === undefined) return undefined
  const order = compareReleases(edge.version, surroundings.version)
  if (order === 0) return undefined
  const versions = `Its edge runs ${edge.version}, this server ${surroundings.version}`
  return {
    cause:
      order < 0
        ? `${versions}: the edge is too old to be sure that all works; update it.`
        : `${versions}: the edge is too new to be sure that all works; update the server.`,
    sinceMs: edge.timeMs
  }
}

/**
 * 0 for versions that work together, below it when `edge` is too old, above it when it is too new. A version works with
 * itself and the next release: 1.x with 2.x, and before 1.0 each 0.x with the next. What is no version is not reported.
 */
export function compareReleases(edge: string, server: string): number {
  const [a, b] = [releaseOf(edge), releaseOf(server)]
  if (a === undefined || b === undefined) return 0
  if (a.major === 0 && b.major === 0) return beyondOne(a.minor - b.minor)
  return beyondOne(a.major - b.major)
}

const beyondOne = (distance: number): number => (Math.abs(distance) <= 1 ? 0 : distance)

function releaseOf(version: string): { major: number; minor: number } | undefined {
  const found = /^(\d{1,6})\.(\d{1,6})\.\d/.exec(version)
  return found === null ? undefined : { major: Number(found[1]), minor: Number(found[2]) }
}

const rules: readonly (readonly [Condition, Rule])[] = [
  ['silent', silent],
  ['offline', offline],
  ['unreachable', unreachable],
  ['fault', faulty],
  ['backlog', backlog],
  ['clock', clock],
  ['certificate', certificate],
  ['version', version]
]
