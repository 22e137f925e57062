// The limits of `history/derive/`, each with its unit in its name. What can be set by a flag has its default here.

/** History: what is younger is derived at every turn; above freshMs by an attempt, and by what clocks may differ. */
export const unsettledMs = 10 * 60_000
/**
 * History: first turn of maintenance after the start, and the time between two: a session is seen within a minute of
 * its start.
 */
export const historyStartDelayMs = 10_000
export const historyIntervalMs = 30_000
/** History: raw rows that are derived in one step, and noted changes that are taken at once. */
export const historyStepMs = 86_400_000
export const historyChangesMax = 1_000
/** History: noted changes are taken for so long in one turn. */
export const historyChangesMsMax = 5 * 60_000
/**
 * History: a charger whose data makes it fail is tried again after this long, and so many of them are named in the log.
 */
export const historyFailingRestMs = 3_600_000
export const historyFailingNamesMax = 100
/** History: above so many messages that are stored, deriving gives way. */
export const historyBusyMessagesPerSecond = 1_000
/** History: a single statement of maintenance is cancelled after this long, and tried again at the next turn. */
export const historyStatementTimeoutMs = 15 * 60_000
