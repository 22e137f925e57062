// The limits of `chargelift export`, each with its unit in its name.

/** The number of rows that an export reads and turns into text at a time. */
export const exportPageRows = 2_000
