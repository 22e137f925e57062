// The limits of `server/monitoring/`, each with its unit in its name. What can be set by a flag has its default here.

/** A batch that takes the database longer than this makes the server not ready. */
export const attemptSlowMs = 15_000
/** Messages wait, none is settled and the database answers: after this long the server is not ready. */
export const progressTimeoutMs = 30_000
