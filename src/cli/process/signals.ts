// Waits for the signal to stop. The first SIGTERM or SIGINT is a request, the second ends the process at once. If a
// server has several processes, the parent also sends each process a stop message, which does not count as a second
// signal.

const forcedExitCode = 130

export function untilStopped(): Promise<NodeJS.Signals | 'stop'> {
  return new Promise(resolve => {
    const onSignal = (signal: NodeJS.Signals): void => {
      resolve(signal)
      for (const again of ['SIGTERM', 'SIGINT'] as const) {
        process.off(again, onSignal)
        process.on(again, () => process.exit(forcedExitCode))
      }
    }
    process.on('message', ({ kind }: { kind?: string }) => kind === 'stop' && resolve('stop'))
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
