// The limits of `model/wire/`, each with its unit in its name. What can be set by a flag has its default here.

/** Longest name of a charger or device: the pattern of `isChargerName`. */
export const chargerNameCharactersMax = 64
/** Longest value name accepted as content (an unknown one is rejected, not refused). */
export const valueNameCharactersMax = 64
/** Levels of objects and arrays in a payload. */
export const payloadLevelsMax = 32
/** A number's magnitude: up to it a double tells whole units apart. */
export const numberMagnitudeMax = Number.MAX_SAFE_INTEGER
export const connectedVehicleCodePointsMax = 32
export const chargerStatusCodePointsMax = 64
/** How far SamplingTime may lie in the past and in the future. */
export const acceptPastMsDefault = 400 * 86_400_000
export const acceptFutureMs = 5 * 60_000
/** Edge: no charger of the world delivers more; a value above it is a fault of the meter. */
export const powerOutputWattsMax = 50_000
