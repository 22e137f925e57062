// The limits of `ingest/`, each with its unit in its name. What can be set by a flag has its default here.

import { packetBytesMax, runCutBytes } from '../model/server/limits.ts'

/**
 * A lane seals its open batch at this many messages, at this many bytes, or at this age, whichever comes first. With
 * half or a quarter of the messages, a message costs the database up to twice the CPU, and the workers a fifth more,
 * for the same memory (spool-drain).
 */
export const batchMessagesMax = 16_384
export const batchBytesMax = 4 * 1024 * 1024
export const batchAgeMaxMs = 10
/** The largest size of a run. The last packet may reach beyond the cut, with its fixed header. */
export const runBytesMax = runCutBytes + packetBytesMax + 5
