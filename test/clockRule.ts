// Finds the lines where a test compares with a clock or with the CPU time, the memory or the frames of a process. The
// rule reads lines and does not parse programs. A name is a duration if it was assigned from "a clock minus a name that
// was assigned from a clock". A name that is computed from a duration is a duration, too.

const clock = String.raw`(?:performance\.now\(\)|Date\.now\(\)|new Date\(\)\.getTime\(\)|process\.hrtime(?:\.bigint)?\(\))`
/** Matches `const startedMs = performance.now()`. */
const moment = new RegExp(String.raw`(\w+)\s*(?::[^=]+)?=\s*${clock}\s*(?://.*)?$`)
/** Matches `slowestMs = ...`, `this.slowestMs = ...` and `tookMs.push(...)`. */
const assigned = /(?:\.|\b(?:const|let)\s+|^\s*)(\w+)\s*(?:=(?![=>])|\.push\()(.*)$/
const machine = /\b(cpuUsage|memoryUsage|resourceUsage|cpuMs\w*|rss\w*|VmRSS|VmHWM|resident\w*|framesPerSecond|fps)\b/

/**
 * Returns the lines of a test that set an upper bound for a duration, or that look at CPU time, memory or frames.
 * `shared`: the names of durations in the rigs of the test.
 */
export function clockedLines(text: string, shared: ReadonlySet<string> = new Set()): string[] {
  const moments = momentsOf(text)
  const bounds = [...new Set([...shared, ...durationsOf(text)])].map(boundOf)
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => !/^(\/\/|\*|\/\*)/.test(line))
    .filter(line => machine.test(line) || isBounded(line, moments, bounds))
}

/** The names of durations in a text. */
export function durationsOf(text: string): Set<string> {
  const moments = momentsOf(text)
  const found = new Set<string>()
  for (const line of text.split('\n')) {
    const [, name, value] = assigned.exec(line) ?? []
    if (name === undefined || value === undefined) continue
    if (passes(value, moments) || [...found].some(known => hasName(value, known))) found.add(name)
  }
  return found
}

function momentsOf(text: string): Set<string> {
  return new Set(text.split('\n').flatMap(line => moment.exec(line)?.[1] ?? []))
}

const difference = new RegExp(`${clock}\\s*-\\s*(?:this\\.#?)?(\\w+)`, 'g')
const passes = (code: string, moments: ReadonlySet<string>): boolean =>
  moments.size > 0 && [...code.matchAll(difference)].some(([, name]) => moments.has(name!))

const hasName = (code: string, name: string): boolean => code.includes(name) && new RegExp(`\\b${name}\\b`).test(code)

/** Matches `name < bound`, `name <= bound`, and the same with the sides exchanged. */
const boundOf = (name: string): RegExp => new RegExp(`\\b${name}\\b[()]*\\s*<=?\\s|\\s>=?\\s*(?:\\w+\\.)*${name}\\b`)

function isBounded(line: string, moments: ReadonlySet<string>, bounds: readonly RegExp[]): boolean {
  if (!/[<>]/.test(line)) return false
  // Arrow functions and type arguments are removed first, because they contain `<` or `>` but compare nothing.
  if (/<=?\s/.test(line.replaceAll(/=>|<\w/g, '')) && passes(line, moments)) return true
  return bounds.some(bound => bound.test(line))
}
