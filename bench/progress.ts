// Shows the current step and its progress in one line, which is drawn over itself. The line appears only on a terminal.
// Permanent output goes through `print`, so the line and the output never mix.

const barWidth = 24
const intervalMs = 100

export class Progress {
  readonly #stream: NodeJS.WriteStream
  #drawn = false
  #lastMs = 0

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  /** `share` is the finished part of the step, 0 to 1. Undefined when the share is unknown. */
  show(step: string, share?: number, detail = ''): void {
    const nowMs = performance.now()
    if (!this.#stream.isTTY || nowMs - this.#lastMs < intervalMs) return
    this.#lastMs = nowMs
    const line = `${step} ${barOf(share)} ${detail}`.slice(0, this.#stream.columns - 1)
    this.#stream.write(`\r\x1b[2K${line}`)
    this.#drawn = true
  }

  clear(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[2K')
    this.#drawn = false
    this.#lastMs = 0
  }

  print(line: string): void {
    this.clear()
    process.stdout.write(`${line}\n`)
  }
}

function barOf(share: number | undefined): string {
  if (share === undefined) return '...'
  const done = Math.round(Math.min(1, Math.max(0, share)) * barWidth)
  return `[${'#'.repeat(done)}${'-'.repeat(barWidth - done)}] ${String(Math.round(share * 100)).padStart(3)} %`
}
