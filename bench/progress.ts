// One line that says what is going on and how far it is, drawn over itself; only on a terminal. What is printed for
// good goes through `print`, so that the two never mix.

const barWidth = 24
const intervalMs = 100

export class Progress {
  readonly #stream: NodeJS.WriteStream
  #drawn = false
  #lastMs = 0

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  /** `share` of the step that is done, 0 to 1; undefined where nobody knows. */
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
