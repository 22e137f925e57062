// Tests the pages of the documentation. Their links lead to a target, the files that they name exist, and the first
// pages stay short. A command that no test runs states the reason. test/full/docs.test.ts tests that the commands work.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { anchorsOf, blocksOf, linksOf, missingIn, pathsOf } from './docs/markdown.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = ['.', 'docs', 'certs', 'bench', 'deploy']
const pages = folders
  .filter(folder => existsSync(join(root, folder)))
  .flatMap(folder => readdirSync(join(root, folder)).map(name => join(folder, name)))
  .filter(name => name.endsWith('.md'))
const read = (page: string): string => readFileSync(join(root, page), 'utf8')

describe('every link leads to a page or file that is there, and to a heading of it', () => {
  test('the pages with rules of their own are among them', () => {
    const some = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
    for (const page of [...some, 'certs/README.md', 'bench/README.md', 'docs/mqtt.md'])
      assert.ok(pages.includes(page), page)
  })

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

test('every file of ours that a page names is there', () => {
  const dead = pages.flatMap(page =>
    pathsOf(read(page))
      .filter(path => !existsSync(join(root, path)) && !existsSync(join(root, 'src', path)))
      .map(path => `${page}: ${path}`)
  )
  assert.deepEqual(dead, [])
  assert.ok(pathsOf(read('docs/decisions.md')).length > 30)
})

test('the pages that everybody reads stay short', () => {
  const bytesMax = { 'README.md': 8_192, 'ARCHITECTURE.md': 6_144, 'CONTRIBUTING.md': 10_240 }
  for (const [page, max] of Object.entries(bytesMax)) assert.ok(Buffer.byteLength(read(page)) <= max, page)
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
  // Left out: names that Node and other programs define, an example of a row of a file, and numbers in sentences.
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
  assert.deepEqual(linksOf('see [a](b.md#c), `[d](e.md)`\n<img src="f.png" alt="">'), [
    { target: 'b.md#c', line: 1 },
    { target: 'f.png', line: 2 }
  ])
  assert.deepEqual(pathsOf('`src/cli.ts` and `limits.ts`, `broker/gate/gate.ts`, `/etc/a/b.yaml`, `edge/{a,b}.ts`'), [
    'src/cli.ts',
    'broker/gate/gate.ts'
  ])
  assert.throws(() => blocksOf('<!-- stay -->\n```sh\n```\n'), /line 3: expected a comment/)
})
