// Reads the blocks of a page in their order, fenced or indented. A reader treats each block by its kind. The language
// of a fence decides:
//   sh      commands. They run in the folder of the page and must exit with 0.
//   text    right after commands: their output. Each line must be in it. A number stands for any number, and `...`
//           stands for anything.
//   sql     statements. They run on the database of the page.
//   others  only shown, unless a comment says that they are a file.
// An indented block is `sh` if it begins with a command of ours or of a client, and `sql` if it begins with SELECT.
// A block that begins with `$ ` is a terminal: commands, each with its output. `$ cat FILE` gives a file its content.
// A comment in the line before a block changes this: `<!-- not run: REASON -->`, `<!-- file: NAME -->`,
// `<!-- exit: CODE -->`, `<!-- stays -->` (it runs until the page ends, and then exits with 0 at SIGTERM).

export interface Block {
  readonly language: string
  readonly text: string
  /** The line number of the block's first line, from 1. */
  readonly line: number
  readonly notRun?: string
  readonly file?: string
  readonly exit: number
  readonly stays: boolean
  /** The lines that the block must print. */
  readonly prints: readonly string[]
}

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = []
  for (const raw of rawBlocks(page.split('\n'))) {
    const previous = blocks.at(-1)
    if (raw.language === 'text' && raw.note === '' && raw.isNext && previous?.language === 'sh') {
      const prints = raw.text.split('\n').filter(line => line.trim() !== '' && line.trim() !== '...')
      blocks.splice(-1, 1, { ...previous, prints })
      continue
    }
    const { language, text, line } = raw
    if (text.startsWith('$ ')) {
      blocks.push(...transcriptOf(text, line, noteOf(raw.note, line)))
      continue
    }
    blocks.push({ language, text, line, exit: 0, stays: false, prints: [], ...noteOf(raw.note, line) })
  }
  return blocks
}

function transcriptOf(text: string, line: number, note: Partial<Block>): Block[] {
  return text.split(/^\$ /m).flatMap((part, index, parts) => {
    const [typed, ...prints] = part.trimEnd().split('\n')
    const at = line + parts.slice(0, index).join('').split('\n').length - 1
    const [, file] = /^cat (\S+)$/.exec(typed!) ?? []
    const shared = { line: at, exit: 0, stays: false, ...note }
    if (index === 0) return []
    if (file !== undefined) return [{ ...shared, language: '', file, text: `${prints.join('\n')}\n`, prints: [] }]
    return [{ ...shared, language: 'sh', text: `${typed}\n`, prints: prints.filter(printed => printed !== '') }]
  })
}

interface RawBlock {
  readonly language: string
  readonly text: string
  readonly line: number
  readonly note: string
  /** True if only empty lines lie between this block and the block before it. */
  readonly isNext: boolean
}

const command = /^(npx|npm|chargelift|sudo|export|psql|pg_dump|curl|mosquitto_\w+) |^certs=/

function* rawBlocks(lines: readonly string[]): Generator<RawBlock> {
  let lastEnd = -1
  for (let at = 0; at < lines.length; at++) {
    const [, indent = '', language] = /^( *)```(\w*)$/.exec(lines[at]!) ?? []
    const isIndented = /^ {4,}\S/.test(lines[at]!) && (lines[at - 1]?.trim() === '' || noteIn(lines[at - 1]) !== '')
    if (language === undefined && !isIndented) continue
    const start = language === undefined ? at : at + 1
    const end =
      language === undefined ? endOfIndented(lines, at) : lines.findIndex((line, i) => i > at && line.trim() === '```')
    const width = language === undefined ? /^ */.exec(lines[at]!)![0].length : indent.length
    const text = `${lines
      .slice(start, end)
      .map(line => line.slice(Math.min(width, line.length - line.trimStart().length)))
      .join('\n')}\n`
    const between = lines.slice(lastEnd + 1, at)
    yield {
      language: language ?? (command.test(text) ? 'sh' : text.startsWith('SELECT') ? 'sql' : ''),
      text,
      line: start + 1,
      note: noteIn(lines[at - 1]) || (lines[at - 1]?.trim() === '' ? noteIn(lines[at - 2]) : ''),
      isNext: between.every(line => line.trim() === '')
    }
    lastEnd = language === undefined ? end - 1 : end
    at = lastEnd
  }
}

const noteIn = (line: string | undefined): string => /^ *<!-- (.+) -->$/.exec(line ?? '')?.[1] ?? ''

/** The index of the first line after the block. Empty lines within the block belong to it. */
function endOfIndented(lines: readonly string[], at: number): number {
  let end = at + 1
  for (let i = end; i < lines.length && /^( {4}|\s*$)/.test(lines[i]!); i++) if (lines[i]!.trim() !== '') end = i + 1
  return end
}

function noteOf(note: string, line: number): Partial<Block> {
  if (note === '') return {}
  if (note === 'stays') return { stays: true }
  const [, key, value = ''] = /^(not run|file|exit): (.+)$/.exec(note) ?? []
  if (key === 'not run') return { notRun: value }
  if (key === 'file') return { file: value }
  if (key === 'exit') return { exit: Number(value) }
  throw new Error(`line ${line}: expected a comment of test/docs/markdown.ts before a block, found "${note}"`)
}

/** Returns those of `lines` that are not in `printed`. */
export function missingIn(printed: string, lines: readonly string[]): string[] {
  const found = printed.split('\n').map(line => line.trim())
  return lines.filter(line => !found.some(text => patternOf(line.trim()).test(text)))
}

const patternOf = (line: string): RegExp =>
  new RegExp(
    `^${line
      .replace(/[\\^$*+?()[\]{}|]/g, '\\$&')
      .replace(/\.\.\.|\./g, dots => (dots === '.' ? '\\.' : '.*'))
      .replace(/\d+/g, '\\d+')
      .replace(/\s+/g, '\\s+')}$`
  )

export interface Link {
  readonly target: string
  readonly line: number
}

/** The links to pages, files and pictures of this repository. */
export const linksOf = (page: string): Link[] =>
  [...withoutCode(page).matchAll(/(?:\]\(|src=")(?!https?:|mailto:)([^)"\s]+)[)"]/g)].map(({ 1: target, index }) => ({
    target: target!,
    line: page.slice(0, index).split('\n').length
  }))

/**
 * The files of this repository that the text of a page names. A name has a folder and starts at the root or at src/.
 */
export const pathsOf = (page: string): string[] =>
  [...page.replace(/^ *```.*?^ *```$/gms, '').matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|tsx|sql|yml|yaml|sh))`/g)].map(
    ([, path]) => path!
  )

/** Replaces code by blanks of the same length, so that the line numbers stay right. */
const withoutCode = (page: string): string =>
  page.replace(/^ *```.*?^ *```$|`[^`\n]+`/gms, code => code.replace(/[^\n]/g, ' '))

/** The anchors that GitHub gives to the headings. */
export const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#{1,6} (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-')
  )
