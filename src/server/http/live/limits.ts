// The limits of `server/http/live/`, each with its unit in its name. What can be set by a flag has its default here.

/** Live events of the HTTP API: how often new ones are sent, and for how long a reconnect may go on where it was. */
export const liveFlushMs = 100
export const liveLingerMs = 60_000
export const livePingMs = 15_000
/** Topics that are remembered for reconnects and slow readers, and how many of them go out in one piece. */
export const liveTopicsMax = 200_000
export const livePieceTopics = 2_000
