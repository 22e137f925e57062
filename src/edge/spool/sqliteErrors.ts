// What the errors of SQLite mean to the spool: a damaged file (a new one must be started), a disk that fails, or
// another owner of the file.

/** The file is not as this software left it. */
export class DamagedError extends Error {}

const sqliteBusy = 5
const sqliteReadOnly = 8
const sqliteIoError = 10
const sqliteCorrupt = 11
const sqliteFull = 13
const sqliteCannotOpen = 14
const sqliteNotADatabase = 26

/** Extended result codes carry the primary one in their low byte. */
const primaryCode = (error: unknown): number => ((error as { errcode?: number } | undefined)?.errcode ?? 0) & 0xff
const hasCode =
  (...codes: readonly number[]) =>
  (error: unknown): boolean =>
    codes.includes(primaryCode(error))

export const isBusy = hasCode(sqliteBusy)
export const isDiskFault = hasCode(sqliteReadOnly, sqliteIoError, sqliteFull, sqliteCannotOpen)
export const isIoError = hasCode(sqliteIoError)
const isCorrupt = hasCode(sqliteCorrupt, sqliteNotADatabase)
export const isDamage = (error: unknown): boolean =>
  error instanceof DamagedError || error instanceof SyntaxError || isCorrupt(error)
