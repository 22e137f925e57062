// Finds where a test compares with a clock or with what a process takes of the machine. It reads lines, not programs: a
// name is a time that passed when it was assigned from "a clock minus a name that was assigned from a clock", and so is
// what is made of it.

const clock = String.raw`(?:performance\.now\(\)|Date\.now\(\)|process\.hrtime(?:\.bigint)?\(\))`
/** `const startedMs = performance.now()`. */
const moment = new RegExp(String.raw`(\w+)\s*(?::[^=]+)?=\s*${clock}\s*(?://.*)?$`)
/** `slowestMs = ...`, `this.slowestMs = ...`, `tookMs.push(...)`. */
const assigned = /(?:\.|\b(?:const|let)\s+|^\s*)(\w+)\s*(?:=(?![=>])|\.push\()(.*)$/
const machine = /\b(cpuUsage|memoryUsage|resourceUsage|cpuMs\w*|rss\w*|VmRSS|VmHWM|resident\w*|framesPerSecond)\b/

/**
 * Lines of a test that bound a time that passed from above, or that look at CPU time, memory or frames. `shared`: times
 * of its rigs.
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

/** Names of times that passed. */
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

/** `it < bound`, `it <= bound`, and the other way round. */
const boundOf = (name: string): RegExp => new RegExp(`\\b${name}\\b(?:\\)*)\\s*<=?\\s|\\s>=?\\s*(?:\\w+\\.)*${name}\\b`)

function isBounded(line: string, moments: ReadonlySet<string>, bounds: readonly RegExp[]): boolean {
  if (!/[<>]/.test(line)) return false
  // Neither arrows nor types.
  if (/<=?\s/.test(line.replaceAll(/=>|<\w/g, '')) && passes(line, moments)) return true
  return bounds.some(bound => bound.test(line))
}
