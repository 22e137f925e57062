// Every limit of the system, with its unit in its name. One home, so that an operator finds them
// and two parts never disagree. A limit that can be set by a flag has its default here.

/** Longest MQTT packet accepted from a client, fixed header excluded, in bytes. Checked before anything is buffered. */
export const packetBytesMax = 65_535
/** Longest topic accepted, in bytes of UTF-8. */
export const topicBytesMax = 256
/** Most levels of a filter: the topics of the contract have three, commands may have more. */
export const topicLevelsMax = 16
/** Filters of one client, and of one SUBSCRIBE: an edge asks for a few topics of each of its chargers. */
export const clientFiltersMax = 2_048
/** Sessions with clean=false that one identity keeps; one more ends the one that was used longest ago. */
export const identitySessionsMax = 16
/** Longest client id: a name, a colon and a suffix. */
export const clientIdCharactersMax = 128
/** Longest name of a charger or device: the pattern of `isChargerName`. */
export const chargerNameCharactersMax = 64
/** Longest value name accepted as content (an unknown one is rejected, not refused). */
export const valueNameCharactersMax = 64

/** Largest payload that is decoded; a larger one is rejected unread. Ours have a hundred bytes, an EdgeStatus some hundreds. */
export const payloadBytesMax = 8_192
/** Levels of objects and arrays in a payload. */
export const payloadLevelsMax = 32
/** A number's magnitude: up to it a double tells whole units apart. */
export const numberMagnitudeMax = Number.MAX_SAFE_INTEGER
export const connectedVehicleCodePointsMax = 32
export const chargerStatusCodePointsMax = 64

/** Unacknowledged messages of one identity before its sockets are not read. */
export const windowMessagesMax = 1_024
/** Packets and bytes that one identity may send; above it its sockets are read more slowly, and nothing is lost. */
export const messagesPerSecondDefault = 50_000
export const bytesPerSecondDefault = 4 * 1024 * 1024
/** What was not sent for so long may be sent at once. */
export const rateBurstMs = 1_000
/** QoS 2 messages of one connection between PUBLISH and PUBREL. */
export const receivedMessagesMax = 2_048
/** Memory for what is not settled, in the whole process: over it connections above their fair share are not read. */
export const budgetBytesDefault = 256 * 1024 * 1024
export const budgetBytesMin = 16 * 1024 * 1024
/** No connection is held for the budget below this many unacknowledged messages and bytes. */
export const fairShareMessagesMin = 16
export const fairShareBytesMin = 16 * 1024
/** What a message in flight costs beside its bytes, and what a connection costs that is not read: buffers of TLS and socket. */
export const messageOverheadBytes = 32
export const heldConnectionBytes = 128 * 1024
/** QoS 1 messages kept for a clean=false subscriber that is away; above it the oldest go, counted. */
export const offlineQueueMessagesMax = 10_000
/** All these queues together; above it the longest lose their oldest half, counted. */
export const offlineQueueBytesMax = 64 * 1024 * 1024
/** No part of a server waits longer for Redis: it goes on without. */
export const redisAnswerMs = 2_000

/**
 * A lane seals its open batch at this many messages, bytes, or this age, whichever comes first. With half or a quarter of the
 * messages each costs the database up to twice the CPU and the workers a fifth more, for the same memory (spool-drain).
 */
export const batchMessagesMax = 16_384
export const batchBytesMax = 4 * 1024 * 1024
export const batchAgeMaxMs = 10
/** After a batch of this many, the next one waits for its age, unless half as many have gathered already. */
export const batchMessagesLarge = 1_024
/** Packets of one connection that are admitted at once are cut off above this; the last one may reach beyond it. */
export const runCutBytes = 64 * 1024
/** So a run has at most this many bytes: another packet and its fixed header. */
export const runBytesMax = runCutBytes + packetBytesMax + 5

/** Topics that a worker keeps taken apart; above it it starts anew. */
export const topicsKeptMax = 32_768

/** First and longest pause before a kept batch is tried again; full jitter lies between. */
export const retryDelayMinMs = 50
export const retryDelayMaxMs = 2_000
/** A single statement of the ingest path is cancelled by the server after this long; the batch is kept and retried. */
export const ingestStatementTimeoutMs = 60_000
/** A whole attempt, on our side: a database that vanished without a word ends no statement. */
export const ingestAttemptTimeoutMs = 75_000
/** A batch that is with the database for longer than this makes the server not ready. */
export const attemptSlowMs = 15_000
/** Messages wait, nothing is settled and the database answers: after this long the server is not ready. */
export const progressTimeoutMs = 30_000
/** Day chunks of TimescaleDB are compressed at this age (sql/always_columnstore.sql): rows older than it take the late lane. */
export const columnstoreAgeMs = 3 * 86_400_000
/** History: rows that are older than this when they are stored are noted in history_changes, and derived from by that. */
export const freshMs = 3 * 60_000
/** History: what is younger is derived at every turn; above freshMs by an attempt, and by what clocks may differ. */
export const unsettledMs = 10 * 60_000
/** History: first turn of maintenance after the start, and the time between two: a session is seen within a minute of its start. */
export const historyStartDelayMs = 10_000
export const historyIntervalMs = 30_000
/** History: raw rows that are derived in one step, and noted changes that are taken at once. */
export const historyStepMs = 86_400_000
export const historyChangesMax = 1_000
/** History: noted changes are taken for so long in one turn. */
export const historyChangesMsMax = 5 * 60_000
/** History: a charger whose data makes it fail is tried again after this long, and so many of them are named in the log. */
export const historyFailingRestMs = 3_600_000
export const historyFailingNamesMax = 100
/** History: above so many messages that are stored, deriving gives way. */
export const historyBusyMessagesPerSecond = 1_000
/** History: a single statement of maintenance is cancelled after this long, and tried again at the next turn. */
export const historyStatementTimeoutMs = 15 * 60_000
/** Raw rows are kept at least so much longer than they are accepted: what is derived is never from rows that are half gone. */
export const retentionMarginMs = 2 * 86_400_000

/** Stopping as a whole: what is left when the others are slow is the last one's, but at least so much. */
export const stopTotalMs = 9_500
export const stopLeastMs = 500
/** Of it, stopping waits this long for batches, and this long for each of what is not essential. */
export const stopBatchesMs = 5_000
export const stopRestMs = 1_000

/** Rejected messages that may become storable are kept this long, and up to this size; all others up to theirs. */
export const rejectedDaysMax = 30
export const rejectedRecoverableBytesMax = 512 * 1024 * 1024
export const rejectedOtherBytesMax = 256 * 1024 * 1024
/** The sizes are looked at this often, and whenever so many more were rejected. */
export const rejectedRunMs = 3_600_000
export const rejectedRunMessages = 100_000

/** HTTP: a browser that signed in must do so again after this long; a token has at most so many sessions, the oldest end. */
export const sessionMsMax = 12 * 3_600_000
export const sessionsPerTokenMax = 20
export const tokenDaysMax = 3_650
/** HTTP: what was revoked is refused after this long at the latest. */
export const accessRefreshMs = 1_000
/** HTTP: attempts with wrong credentials from one address and minute that are answered 401; those over it 429. */
export const wrongCredentialsPerMinuteMax = 10
/** HTTP: largest body of a request, connections at once, and the time for a whole request to arrive. */
export const httpBodyBytesMax = 16 * 1024
export const httpConnectionsMax = 1_024
export const httpRequestTimeoutMs = 30_000

/** Audit: the same event again within this time is one row with a count. */
export const auditWindowMs = 10 * 60_000
/** Audit: events that are told apart within that time, and rows that wait for the database; the rest is counted by rule. */
export const auditKeysMax = 10_000
export const auditWaitingMax = 20_000
/** Audit: identities whose comings and goings are told apart, so that one that flaps does not fill the log. */
export const flappingKeysMax = 200_000
/** Audit: rows kept of strangers and of known identities, and for how long. */
export const auditStrangerRowsMax = 50_000
export const auditKnownRowsMax = 100_000
export const auditDaysMax = 365

/** How far SamplingTime may lie in the past and in the future. */
export const acceptPastMsDefault = 400 * 86_400_000
export const acceptFutureMs = 5 * 60_000

/** Open connections in total, half-open ones included; above it newcomers are closed unread. */
export const connectionsMaxDefault = 50_000
/** Connections of one identity at a time; above it the newcomer is refused. */
export const connectionsPerIdentityMax = 100
/** TLS handshakes begun per second; above it connections wait for their turn, each network address in its own row. */
export const handshakesPerSecondDefault = 1_000
/** Connections that wait for their handshake; above it the last of the longest row is closed. */
export const handshakesWaitingMax = 20_000
/** Connections that the system holds before the server has looked at them. */
export const listenBacklog = 4_096
/** Live connections are closed when their certificate ends; looked at this often. */
export const expiryLookMs = 30_000
/** Waiting for the turn, a TLS handshake, and the CONNECT after it with its CONNACK, must each end within this time. */
export const handshakeTimeoutMs = 10_000
export const connectTimeoutMs = 10_000
/** Keepalive asked for by a client is bounded to this; 0 counts as this too. */
export const keepaliveSecondsMax = 3_600
/** A client that does not take what it is sent for this long is disconnected. */
export const drainTimeoutMs = 10_000
/** For a client to close a connection that the server has ended; then it is cut. */
export const closeTimeoutMs = 1_000
/** Bytes unsent to a client above which retained and queued messages wait for it. */
export const unsentWaitBytes = 256 * 1024
/** Bytes unsent to a client at which it is cut: news waits for nobody, and acknowledgements do not pile up. */
export const slowConsumerBytesMax = 4 * 1024 * 1024
/** A charger whose edge is away for a shorter time is not reported as offline. */
export const presenceGraceMsDefault = 30_000
/** A server that did not say for so long that it lives is gone, and its chargers are offline. */
export const nodeSilentMsDefault = 30_000

/** Problems: no value of a charger for this long; its edge repeats what does not change every 15 minutes. */
export const silentAfterMsDefault = 35 * 60_000
/** Problems: the oldest sample on an edge's disk is older than this; the certificate of an edge ends within this time. */
export const backlogAgeMs = 15 * 60_000
export const certificateSoonMs = 30 * 86_400_000
/** Problems: all chargers are looked at this often, more than 20,000 less often (1 % of a core); so many before others have their turn. */
export const problemLookMs = 5_000
export const problemLookChargersPerMs = 4
export const problemLookCount = 500
/** Webhook: told when a problem has been there, or gone, for this long; those of the same kind that are younger come along. */
export const webhookAfterMs = 15 * 60_000
export const webhookAlongMs = 5 * 60_000
/** Webhook: time for an answer, and bounds of the pause before the next attempt. */
export const webhookTimeoutMs = 10_000
export const webhookPauseMsMin = 10_000
export const webhookPauseMsMax = 15 * 60_000
/** Webhook: shortest secret to sign with. */
export const webhookSecretCharactersMin = 16
/** Webhook: chargers that a message names of each kind; the others are counted. */
export const webhookNamesMax = 20

/** Lifetimes at issue. */
export const certificateDaysDefault = 825
export const caDaysDefault = 3_650
export const crlDaysDefault = 3_650
export const certificateDaysMax = 3_650
/** A certificate begins this long before its issue: a Pi has no clock battery and wakes up in the past. */
export const certificateBackdateMs = 86_400_000
/** The server's certificate is made anew by `certs init` when it ends within this time. */
export const serverRenewalMs = 30 * 86_400_000
/** The revocation list is signed anew by `certs init` when it ends within this time, and by every revocation. */
export const crlRenewalMs = 30 * 86_400_000
/** The clock of the machine that signs revocation lists may be ahead of a server's by this much. */
export const clockSkewMs = 5 * 60_000
/** CA, certificate, key and revocation list are looked at this often; what has changed is read when it stays as it is. */
export const tlsFilesLookMs = 500
/** Chargers named in one certificate: at 64 characters each it stays below half of what OpenSSL takes as a chain. */
export const certificateChargersMax = 500

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
/** Edge: how often the status file is written, where there is one. */
export const statusFileIntervalMs = 10_000
/** Edge: a poll that is due for this long means that the process is stuck: no request, and no reading of records, takes so long. */
export const pollStuckMs = 10 * 60_000
/** Edge: `--once` waits this long for what is spooled to be acknowledged. */
export const onceTimeoutMs = 60_000
/** Edge: a check waits this long for its acknowledgement, and notes a certificate that ends within the time after it. */
export const checkAckTimeoutMs = 30_000
export const certificateNoteMs = 30 * 86_400_000
/** Edge: the same limits where a person waits for the answer. */
export const probeConnectTimeoutMs = 4_000
export const probeTimeoutMs = 8_000
/** Edge: no charger of the world delivers more; a value above it is a fault of the meter. */
export const powerOutputWattsMax = 50_000
/** Edge: a counter or meter that cannot be is the new truth when it stays for this many readings. */
export const energyDoubtsMax = 3
/** Edge: after so long without a reading the charger's own records of sessions are asked, once. */
export const energyGapMs = 600_000
/** Edge: the second copy of the lifetime energy is written when a session begins, and this often while energy is added. */
export const energyFileIntervalMs = 900_000
/** Edge: polls in a row that fail before the charger's state is published as unknown, and before polls become slower. */
export const pollMissesMax = 3
/** Edge: longest pause between polls of a charger that does not answer. */
export const pollBackoffMsMax = 120_000
/** Edge: how often a charger's master data (error code, phases, serial) is read, and how often while something is odd. */
export const deviceInfoIntervalMs = 300_000
export const deviceInfoOddIntervalMs = 60_000
/** Edge: size of the spool on disk. */
export const spoolBytesDefault = 512 * 1024 * 1024
export const spoolBytesMin = 1024 * 1024
/** Edge: acknowledged samples stay in the spool for this long, as far as there is room, so that they can be sent again. */
export const settledKeepMs = 14 * 86_400_000
/** Edge: how often samples older than that are looked for. */
export const settledPurgeIntervalMs = 3_600_000
/** Edge: pages of the spool on disk; small, because a poll writes three of them. */
export const spoolPageBytes = 1_024
/** Edge: the spool's log is written back into its file at this size (less when the spool is small). */
export const spoolLogBytesMax = 1024 * 1024
/** Edge: damaged spools that are kept beside the new one. */
export const damagedFilesMax = 2
/** Edge: samples that one append may read, write or remove to make room; a poll must not wait for more. */
export const makeRoomCountMax = 256
/** Edge: samples that go whole, at once, when thinning has nothing left to give. */
export const dropCountMax = 64
/** Edge: samples that a replay moves in one transaction. */
export const replayCountMax = 2_048
/** Edge: how often it is looked whether a replay was asked for. */
export const replayLookIntervalMs = 60_000
/** Edge: what a full spool gives up is told this often. */
export const spoolLogIntervalMs = 60_000
/** Edge: a full spool keeps measurements once in the first period, later once in the second. */
export const thinFineMs = 60_000
export const thinCoarseMs = 15 * 60_000
/** Edge: acknowledgements wait this long, or until there are this many, for the next append to carry them to disk. */
export const settleDelayMsMax = 60_000
export const settleCountMax = 1_024
/** Edge: an unchanged value is published again after this long. */
export const heartbeatMsDefault = 15 * 60_000
/** Edge: a message without PUBACK for this long means a dead connection, answered pings or not. */
export const ackTimeoutMs = 5 * 60_000
/** Edge: bounds of the pause before the next connection; full jitter lies between 0 and the current bound. */
export const reconnectDelayMsMin = 1_000
export const reconnectDelayMsMax = 120_000
/** Edge: after a connection that was good is lost, and at process start, the pause is hashed from the name, below these. */
export const reconnectLostDelayMsMax = 10_000
export const connectStartDelayMsMax = 1_000
/** Edge: a server that says no to this very client is asked again after this long at the earliest. */
export const reconnectDeniedDelayMsMin = 30_000
/** Edge: a connection that lived this long was a good one: the pause after it starts small again. */
export const connectionProvenMs = 20_000
/** Edge: CONNECT asks for this keepalive; TLS handshake and CONNACK together must be complete within the time after it. */
export const edgeKeepaliveSeconds = 30
export const edgeConnectTimeoutMs = 20_000
/** Edge: at SIGTERM, how long unsent values may still leave. */
export const drainOnStopMs = 3_000
/** Edge: an answer to SUBSCRIBE, and after it the message asked for, must come within this time each. */
export const answerTimeoutMs = 5_000
/** Edge: retained values may come a little later than what was asked for after them. */
export const retainedGraceMs = 500
/** Edge: a clock that is further from the server's than this is told, and not used where nobody else confirms it. */
export const clockOffsetMsMax = 60_000
/** Edge: a wall clock that moves by more than this between two looks has leapt. */
export const clockStepMsMax = 60_000
/** Edge: how often the kernel is asked whether its clock is synchronised, until it is; after the server told; and for how long. */
export const kernelProbeIntervalMs = 10_000
export const kernelProbeIntervalMsMax = 600_000
export const kernelProbeTimeoutMs = 5_000
/** Edge: how often the server is asked for its time on a connection that lives. */
export const serverTimeIntervalMs = 3_600_000
/** Edge: bounds of the time between two EdgeStatus of one charger, and how often it is looked whether there is news. */
export const statusIntervalMsMin = 60_000
export const statusIntervalMsMax = 3_600_000
export const statusLookIntervalMs = 5_000

/** Live events of the HTTP API: how often what is new is sent, and how long a reconnect may go on where it was. */
export const liveFlushMs = 100
export const liveLingerMs = 60_000
export const livePingMs = 15_000
/** How often a listener's token is asked for again. */
export const liveRecheckMs = 5_000
/** Topics that are remembered for reconnects and slow readers; and of these, how many go out in one piece. */
export const liveTopicsMax = 200_000
export const livePieceTopics = 2_000
/** What may wait in the stream of one listener before it counts as slow, and how long it may be slow. */
export const liveUnsentBytesMax = 256 * 1024
export const liveBehindMsMax = 30_000
export const liveListenersMax = 200

/** Rows of an answer of the HTTP API, and when a query of it is given up. */
export const chargersPageDefault = 500
export const chargersPageMax = 1_000
export const readingsPageDefault = 1_000
export const readingsPageMax = 5_000
/** Of a page of readings by bucket: buckets, and days of raw rows where a bucket is a day. */
export const bucketsPageMax = 1_500
export const bucketDaysMax = 62
export const sessionsPageDefault = 200
export const sessionsPageMax = 1_000
/** Of a page of energy: buckets, and the quarter hours behind them. */
export const energyRowsDefault = 1_000
export const energyRowsMax = 5_000
export const energyQuartersMax = 100_000
/** Rows that an export reads and makes into text at once. */
export const exportPageRows = 2_000
/** The same in a server, whose main thread has other work: fewer at once, a pause after them, and few exports at once. */
export const exportPieceRows = 500
export const exportPauseMs = 20
export const exportsMax = 2
/** How long an export may stand still because nobody reads. */
export const exportStillMsMax = 60_000
export const messagesPageDefault = 100
export const messagesPageMax = 500
export const readStatementTimeoutMs = 15_000
export const readConnectionsMax = 3
/** How long a value that is not told again counts as holding. Edges tell each at least every quarter of an hour. */
export const carriedMsMax = 86_400_000
