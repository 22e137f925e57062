// Every limit of the system, with its unit in its name. One home, so that an operator finds them
// and two parts never disagree. A limit that can be set by a flag has its default here.

/** Longest MQTT packet accepted from a client, fixed header excluded, in bytes. Checked before anything is buffered. */
export const packetBytesMax = 65_535
/** Longest topic accepted, in bytes of UTF-8. */
export const topicBytesMax = 256
/** Longest name of a charger or device: the pattern of `isChargerName`. */
export const chargerNameCharactersMax = 64
/** Longest value name accepted as content (an unknown one is rejected, not refused). */
export const valueNameCharactersMax = 64

export const connectedVehicleCodePointsMax = 32
export const chargerStatusCodePointsMax = 64

/** Unacknowledged messages of one identity before its sockets are not read. */
export const windowMessagesMax = 1_024
/** Bytes of admitted, unsettled messages in the whole process before connections above their fair share are held. */
export const budgetBytesDefault = 256 * 1024 * 1024
/** What a held connection counts against the budget: its socket's buffers in user and kernel space. */
export const heldConnectionBytes = 128 * 1024
/** No connection is held for the budget below this many unacknowledged messages. */
export const fairShareMessagesMin = 16

/** A lane seals its open batch at this many messages, bytes, or this age, whichever comes first. */
export const batchMessagesMax = 16_384
export const batchBytesMax = 4 * 1024 * 1024
export const batchAgeMaxMs = 10

/** First and longest pause before a kept batch is tried again; full jitter lies between. */
export const retryDelayMinMs = 50
export const retryDelayMaxMs = 2_000
/** A single statement of the ingest path is cancelled by the server after this long; the batch is kept and retried. */
export const ingestStatementTimeoutMs = 60_000

/** How far SamplingTime may lie in the past and in the future. */
export const acceptPastMsDefault = 400 * 86_400_000
export const acceptFutureMs = 5 * 60_000

/** A TLS handshake, and the CONNECT after it, must be complete within this time. */
export const handshakeTimeoutMs = 10_000
export const connectTimeoutMs = 10_000
/** Keepalive asked for by a client is bounded to this; 0 counts as this too. */
export const keepaliveSecondsMax = 3_600
/** A subscriber that does not take its messages for this long is disconnected. */
export const drainTimeoutMs = 10_000

/** Certificates accepted with a clock this far off are the certificates' business; these are lifetimes at issue. */
export const certificateDaysDefault = 825
export const caDaysDefault = 3_650
export const crlDaysDefault = 3_650

/** Edge: unacknowledged messages on the wire in all. */
export const publishWindowMax = 512
/** Edge: largest answer of a charger that is read. */
export const chargerAnswerBytesMax = 256 * 1024
/** Edge: poll interval accepted at all, and the one below which chargers are known to suffer. */
export const pollIntervalMsMin = 100
export const pollIntervalMsKind = 10_000
/** Edge: default poll interval while charging and otherwise. */
export const pollIntervalChargingMs = 10_000
export const pollIntervalIdleMs = 30_000
/** Edge: connect and whole-request limits of a poll. */
export const pollConnectTimeoutMs = 5_000
export const pollTimeoutMs = 15_000
/** Edge: no charger of the world delivers more; a value above it is a fault of the meter. */
export const powerOutputWattsMax = 50_000
