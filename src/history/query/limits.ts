// The limits of `history/query/`, each with its unit in its name. What can be set by a flag has its default here.

/** The limits of a page of energy: buckets, and the quarter hours behind them. */
export const energyRowsDefault = 1_000
export const energyRowsMax = 5_000
export const energyQuartersMax = 100_000
/** How long a value holds if it is not reported again. Edges report each value at least every quarter of an hour. */
export const carriedMsMax = 86_400_000
