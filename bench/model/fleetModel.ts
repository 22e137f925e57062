// How many machines a fleet needs, from what one message, one connection and one row cost where it was measured. Pure
// arithmetic: nothing here is a figure. Where a figure of the bench cannot tell, the answer says what it assumes.

/** Of one machine, as measured. CPU in microseconds or milliseconds of one core. */
export interface UnitCosts {
  /** Of a message on the server, all threads; and of it on a process's main thread, which is the first to be full. */
  readonly serverUs: number
  readonly mainUs: number
  readonly databaseUs: number
  readonly fullHandshakeMs: number
  readonly resumedHandshakeMs: number
  readonly kbPerConnection: number
  /** A process at rest, its workers included. */
  readonly processMb: number
  /** One process beside others: its messages cost so many times as much as those of a process alone. */
  readonly sharedFactor: number
  /** On a server's main thread, for a value that another process stored. */
  readonly foreignUs: number
  /**
   * What a process uses of a core besides, where messages trickle in from many connections: each wakes it for little.
   */
  readonly trickleCores: number
  readonly rowBytes: number
  readonly compressedRowBytes: number
}

export interface Fleet {
  readonly chargers: number
  /** Between two polls of a charger that charges, and how many values change in one. */
  readonly pollSeconds: number
  readonly values: number
  /** Chargers that charge at the busiest moment; those that do not say next to nothing. */
  readonly activeShare: number
  readonly chargingHoursPerDay: number
}

export interface Machine {
  readonly cores: number
  readonly memoryMb: number
  /** How full a core may be at the busiest moment: the rest is for reconnects, and for the failure of a neighbour. */
  readonly load: number
}

export interface Needs {
  readonly messagesPerSecond: number
  readonly rowsPerSecond: number
  readonly serverCores: number
  readonly processes: number
  readonly serverMemoryMb: number
  /** With one more than needed wherever there is more than one process. */
  readonly serverMachines: number
  readonly databaseCores: number
  readonly rowsPerYear: number
  readonly gbPerYear: number
  readonly compressedGbPerYear: number
  /** All reconnect at once: until the last one is in, with full handshakes and with resumed ones. */
  readonly stormFullSeconds: number
  readonly stormResumedSeconds: number
  /** What is full first. */
  readonly first: 'nothing' | 'main thread' | 'server memory' | 'database'
}

const megabyte = 1024
/** At this rate all of `trickleCores` are in use: it is that of the bench's `paced`. */
const trickleMessagesPerSecond = 5_000
/** One primary: what it stores in a second is asked of it alone. */
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

/** Each main thread has its share of the messages, and hears of those of all others. */
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

/** What a run of `fleet` on one machine should reach, where the load generator and the database share its cores. */
export function predictedPerSecond(
  { cores, processes, serverUs, mainUs, databaseUs, generatorUs }: Predicted,
  /** Of the machine's cores, what the run could have. */
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
