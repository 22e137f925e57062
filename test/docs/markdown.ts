// What a page of the documentation has a reader do, in order. Fenced blocks, by their language:
//   sh      commands: they run, in the page's folder, and must end with 0
//   text    right after commands: what they print; each line must be there. Numbers stand for any number, `...` for anything
//   sql     statements: they run on the page's database
//   others  shown only, unless a comment says that they are a file
// A comment in the line before a block says what differs: `<!-- not run: REASON -->`, `<!-- file: NAME -->`, `<!-- exit: CODE -->`,
// `<!-- stays -->` (it runs until the page ends, and then ends with 0 at SIGTERM).

export interface Block {
  readonly language: string
  readonly text: string
  /** Of its first line, from 1. */
  readonly line: number
  readonly notRun?: string
  readonly file?: string
  readonly exit: number
  readonly stays: boolean
  /** Lines that it prints. */
  readonly prints: readonly string[]
}

const fence = /^(?<indent> *)(?:<!-- (?<note>[^\n]*?) -->\n\n? *)?```(?<language>\w*)\n(?<text>.*?)^ *```$/gms

export function blocksOf(page: string): Block[] {
  const blocks: { -readonly [K in keyof Block]: Block[K] }[] = []
  for (const { 0: whole, index, groups } of page.matchAll(fence)) {
    const { indent = '', note = '', language = '', text = '' } = groups!
    const body = text.replace(new RegExp(`^ {0,${indent.length}}`, 'gm'), '')
    const line = page.slice(0, index + whole.indexOf('```')).split('\n').length + 1
    const previous = blocks.at(-1)
    if (language === 'text' && note === '' && previous?.language === 'sh' && isNext(page, previous.line, line)) {
      previous.prints = body.split('\n').filter(printed => printed.trim() !== '' && printed.trim() !== '...')
      continue
    }
    blocks.push({ language, text: body, line, exit: 0, stays: false, prints: [], ...noteOf(note, line) })
  }
  return blocks
}

/** Nothing but an empty line between the end of the commands and this. */
function isNext(page: string, commandsLine: number, line: number): boolean {
  const between = page.split('\n').slice(commandsLine - 1, line - 2)
  const end = between.findIndex(text => text.trim() === '```')
  return between.slice(end + 1).every(text => text.trim() === '')
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

/** What of `lines` is not in `printed`. */
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

/** Links to pages and files of this repository. */
export const linksOf = (page: string): Link[] =>
  [...withoutCode(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(({ 1: target, index }) => ({
    target: target!,
    line: page.slice(0, index).split('\n').length
  }))

/** Blanks of the same length, so that places stay the same. */
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
