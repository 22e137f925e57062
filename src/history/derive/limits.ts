// The limits of `history/derive/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * History: rows younger than this are derived again at every turn. It exceeds freshMs by the time of one attempt, and
 * by the possible difference between clocks.
 */
export const unsettledMs = 10 * 60_000
/**
 * History: the time from the start to the first turn of maintenance, and the time between two turns. A session is
 * visible within a minute of its start.
 */
export const historyStartDelayMs = 10_000
export const historyIntervalMs = 30_000
/** History: the span of raw rows that one step derives, and the number of noted changes that are read at once. */
export const historyStepMs = 86_400_000
export const historyChangesMax = 1_000
/** History: the longest time that one turn spends on noted changes. */
export const historyChangesMsMax = 5 * 60_000
/**
 * History: the time after which a charger whose data makes it fail is tried again, and how many failing chargers are
 * named in the log.
 */
export const historyFailingRestMs = 3_600_000
export const historyFailingNamesMax = 100
/** History: above this rate of stored messages, deriving gives way. */
export const historyBusyMessagesPerSecond = 1_000
/** History: a single statement of maintenance is cancelled after this time. The next turn tries it again. */
export const historyStatementTimeoutMs = 15 * 60_000
