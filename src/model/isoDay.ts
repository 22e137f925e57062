// A day for people, in UTC.

/** `2026-11-30`; takes a moment or ms since the Unix epoch. */
export const isoDay = (moment: Date | number): string => new Date(moment).toISOString().slice(0, 10)
