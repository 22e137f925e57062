// Shows a state or a connection as a coloured dot with its word, and problems as words.

import type { ConnectionState, ProblemCondition } from '../../model/api/api.ts'
import type { OperationState } from '../../model/wire/chargerState.ts'
import { problemWord, shownConnection, shownState } from '../states.ts'

export function StateBadge({ state }: { state: OperationState }) {
  const { word, tone } = shownState(state)
  return (
    <span class={`badge tone-${tone}`}>
      <span class="dot" aria-hidden="true" />
      {word}
    </span>
  )
}

export function ConnectionMark({ connection }: { connection: ConnectionState | null }) {
  const { word, tone } = shownConnection(connection)
  return (
    <span class={`connection tone-${tone}`}>
      <span class="dot" aria-hidden="true" />
      {word}
    </span>
  )
}

export const ProblemMarks = ({ problems }: { problems: readonly ProblemCondition[] }) => (
  <>
    {problems.map(condition => (
      <span key={condition} class="problem">
        {problemWord(condition)}
      </span>
    ))}
  </>
)
