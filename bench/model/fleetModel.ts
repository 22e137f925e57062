// Computes how many machines a fleet needs, from the measured costs of one message, one connection and one row. This
// file holds arithmetic and no measured costs. Its comments name the assumptions that no measurement supports.

/** The costs that were measured on one machine. CPU is in microseconds or milliseconds of one core. */
export interface UnitCosts {
  /**
   * `serverUs` is the CPU per message on all threads of the server. `mainUs` is the part on the process's main thread,
   * which is the first thread to be full.
   */
  readonly serverUs: number
  readonly mainUs: number
  readonly databaseUs: number
  readonly fullHandshakeMs: number
  readonly resumedHandshakeMs: number
  readonly kbPerConnection: number
  /** The memory of a process at rest, with its workers. */
  readonly processMb: number
  /** A message costs this factor more in a process beside others than in a process alone. */
  readonly sharedFactor: number
  /** CPU on a server's main thread for each value that another process stored. */
  readonly foreignUs: number
  /**
   * The share of a core that a process uses in addition when messages trickle in from many connections. Each such
   * message wakes the process for little work.
   */
  readonly trickleCores: number
  readonly rowBytes: number
  readonly compressedRowBytes: number
}

export interface Fleet {
  readonly chargers: number
  /**
   * `pollSeconds` is the time between two polls of a charging charger. `values` is the number of values that change in
   * one poll.
   */
  readonly pollSeconds: number
  readonly values: number
  /** The share of the chargers that charge at the busiest moment. The model assumes that the others send nothing. */
  readonly activeShare: number
  readonly chargingHoursPerDay: number
}

export interface Machine {
  readonly cores: number
  readonly memoryMb: number
  /**
   * The share of a core that may be in use at the busiest moment. The rest is for reconnects and for the failure of
   * another process.
   */
  readonly load: number
}

export interface Needs {
  readonly messagesPerSecond: number
  readonly rowsPerSecond: number
  readonly serverCores: number
  readonly processes: number
  readonly serverMemoryMb: number
  /** Contains one spare machine whenever there is more than one process. */
  readonly serverMachines: number
  readonly databaseCores: number
  readonly rowsPerYear: number
  readonly gbPerYear: number
  readonly compressedGbPerYear: number
  /**
   * If all chargers reconnect at once: the time until the last charger is connected, with full handshakes and with
   * resumed sessions.
   */
  readonly stormFullSeconds: number
  readonly stormResumedSeconds: number
  /** The resource that is full first. */
  readonly first: 'nothing' | 'main thread' | 'server memory' | 'database'
}

const megabyte = 1024
/** At this rate a process uses all of `trickleCores`. It is the rate of the bench's `paced` scenario. */
const trickleMessagesPerSecond = 5_000
/** All rows go to one primary, so the cores of one machine limit the database. */
const primaryCoresMax = 32

export function needsOf(fleet: Fleet, costs: UnitCosts, machine: Machine): Needs {
  const active = fleet.chargers * fleet.activeShare
  const rowsPerSecond = active / fleet.pollSeconds
  const messagesPerSecond = rowsPerSecond * fleet.values
  const { processes, mainUs } = processesFor(messagesPerSecond, costs, machine)
  const isShared = processes > 1
  const ownUs = costs.serverUs * (isShared ? costs.sharedFactor : 1)
  const foreignUs = mainUs - costs.mainUs * (isShared ? costs.sharedFactor : 1)
  const trickle = costs.trickleCores * Math.min(processes, messagesPerSecond / trickleMessagesPerSecond)
  const serverCores = (messagesPerSecond * (ownUs + foreignUs)) / 1e6 + trickle
  const serverMemoryMb = processes * costs.processMb + (fleet.chargers * costs.kbPerConnection) / megabyte
  const machines = Math.max(
    Math.ceil(serverCores / (machine.cores * machine.load)),
    Math.ceil(serverMemoryMb / (machine.memoryMb * machine.load)),
    1
  )
  const databaseCores = (messagesPerSecond * costs.databaseUs) / 1e6
  const rowsPerYear = (fleet.chargers * fleet.chargingHoursPerDay * 3600 * 365) / fleet.pollSeconds
  const storm = (ms: number): number => (fleet.chargers * ms) / 1000 / processes
  return {
    messagesPerSecond,
    rowsPerSecond,
    serverCores,
    processes,
    serverMemoryMb,
    serverMachines: isShared ? machines + 1 : machines,
    databaseCores,
    rowsPerYear,
    gbPerYear: (rowsPerYear * costs.rowBytes) / 1e9,
    compressedGbPerYear: (rowsPerYear * costs.compressedRowBytes) / 1e9,
    stormFullSeconds: storm(costs.fullHandshakeMs),
    stormResumedSeconds: storm(costs.resumedHandshakeMs),
    first: firstOf(databaseCores, serverMemoryMb / machine.memoryMb, (messagesPerSecond * mainUs) / 1e6, machine.load)
  }
}

/**
 * The number of processes that keeps each main thread below its load. Each main thread handles its share of the
 * messages, and receives the values of all other processes. Throws Error when no number is enough.
 */
function processesFor(
  messagesPerSecond: number,
  costs: UnitCosts,
  { load }: Machine
): { processes: number; mainUs: number } {
  if ((messagesPerSecond * costs.mainUs) / 1e6 <= load) return { processes: 1, mainUs: costs.mainUs }
  for (let processes = 2; processes < 10_000; processes++) {
    const mainUs = costs.mainUs * costs.sharedFactor + costs.foreignUs * (processes - 1)
    if ((messagesPerSecond * mainUs) / 1e6 / processes <= load) return { processes, mainUs }
  }
  throw new Error('expected a fleet that processes can share, found one whose news alone fill each of them')
}

function firstOf(databaseCores: number, memoryShare: number, mainLoad: number, load: number): Needs['first'] {
  if (databaseCores > primaryCoresMax * load) return 'database'
  if (memoryShare > load && memoryShare > mainLoad) return 'server memory'
  return mainLoad > load ? 'main thread' : 'nothing'
}

/**
 * The speed that a run of `fleet` on one machine should reach. The load generator and the database share the machine's
 * cores.
 */
export function predictedPerSecond(
  { cores, processes, serverUs, mainUs, databaseUs, generatorUs }: Predicted,
  /** The share of the machine's cores that was free for the run, 0 to 1. */
  available: number
): number {
  const byCores = (cores * available * 1e6) / (serverUs + databaseUs + generatorUs)
  const byMainThreads = (processes * available * 1e6) / mainUs
  return Math.min(byCores, byMainThreads)
}

export interface Predicted {
  readonly cores: number
  readonly processes: number
  readonly serverUs: number
  readonly mainUs: number
  readonly databaseUs: number
  readonly generatorUs: number
}
