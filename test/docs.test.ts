// The pages of the documentation: their links lead somewhere, and what a test leaves out of them is left out with a reason. That their
// commands work is tested in test/full/docs.test.ts.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { anchorsOf, blocksOf, linksOf, missingIn } from './docs/markdown.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = ['.', 'docs', 'certs', 'bench', 'deploy']
const pages = folders
  .filter(folder => existsSync(join(root, folder)))
  .flatMap(folder => readdirSync(join(root, folder)).map(name => join(folder, name)))
  .filter(name => name.endsWith('.md'))
const read = (page: string): string => readFileSync(join(root, page), 'utf8')

describe('every link leads to a page or file that is there, and to a heading of it', () => {
  for (const page of pages) {
    test(page, () => {
      const dead = linksOf(read(page)).filter(({ target }) => {
        const [path = '', anchor] = target.split('#')
        const file = path === '' ? page : relative(root, join(root, dirname(page), path))
        if (file.startsWith('..') || !existsSync(join(root, file))) return true
        return anchor !== undefined && file.endsWith('.md') && !anchorsOf(read(file)).includes(anchor)
      })
      assert.deepEqual(dead, [])
    })
  }
})

test('every page of docs/ is in its index, and the index in the README', () => {
  const targets = linksOf(read('docs/README.md')).map(({ target }) => target)
  const names = readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md') && name !== 'README.md')
  assert.deepEqual(
    names.filter(name => !targets.includes(name)),
    []
  )
  assert.ok(linksOf(read('README.md')).some(({ target }) => target === 'docs/README.md'))
})

test('most commands of docs/ are run, and the others say why not', () => {
  const commands = readdirSync(join(root, 'docs'))
    .filter(name => name.endsWith('.md'))
    .flatMap(name => blocksOf(read(join('docs', name))))
    .filter(({ language }) => language === 'sh')
  const left = commands.filter(({ notRun }) => notRun !== undefined)
  assert.ok(commands.length > 20)
  assert.ok(left.length < commands.length / 4, `${left.length} of ${commands.length}`)
  for (const { notRun } of left) assert.ok(notRun!.length > 20, notRun)
})

test('what docs/troubleshooting.md tells of is what the program says', () => {
  const says = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter(({ name }) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8'))
    .join('\n')
  const rows = read('docs/troubleshooting.md').match(/^\| [^|]+\|/gm) ?? []
  const words = rows.flatMap(row => [...row.matchAll(/`([^`]+)`/g)].map(([, word]) => word!))
  // Names of Node and of others, an example of a row of a file, and numbers in sentences.
  const others = /^(E[A-Z]+|EAI_AGAIN|CONNACK \d|[A-Z]+_[A-Z_]+|chargelift .*|ok)$/
  const parts = (word: string): string[] =>
    word.split(/ N s$|: expected |: /).filter(part => !/^(tls|chargers)[.[]/.test(part))
  const unknown = words
    .filter(word => !others.test(word))
    .flatMap(parts)
    .filter(part => !says.includes(part.replace(/^--/, '')))
  assert.ok(words.length > 40)
  assert.deepEqual(unknown, [])
})

test('a page is read as test/docs/markdown.ts says: comments before blocks, and what is printed after them', () => {
  const page = `
<!-- exit: 78 -->
\`\`\`sh
false # 1
\`\`\`

\`\`\`text
it took 12 ms ...
\`\`\`

1. A step

   <!-- not run: there is none -->
   \`\`\`sh
   true
     indented
   \`\`\`

\`\`\`text
of nobody
\`\`\`

    $ cat a.csv
    a,b
    $ wc -l a.csv
    1 a.csv
`
  const blocks = blocksOf(page).map(({ language, text, exit, notRun, prints }) => ({
    language,
    text,
    exit,
    notRun,
    prints
  }))
  assert.deepEqual(blocks, [
    { language: 'sh', text: 'false # 1\n', exit: 78, notRun: undefined, prints: ['it took 12 ms ...'] },
    { language: 'sh', text: 'true\n  indented\n', exit: 0, notRun: 'there is none', prints: ['of nobody'] },
    { language: '', text: 'a,b\n', exit: 0, notRun: undefined, prints: [] },
    { language: 'sh', text: 'wc -l a.csv\n', exit: 0, notRun: undefined, prints: ['1 a.csv'] }
  ])
  assert.deepEqual(missingIn('x\n  it took 7 ms, (all)\n', ['it took 12 ms, ...', 'it took 12 ms', 'x']), [
    'it took 12 ms'
  ])
  assert.throws(() => blocksOf('<!-- stay -->\n```sh\n```\n'), /line 3: expected a comment/)
})
