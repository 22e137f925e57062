// docs/operations.md is complete: it describes every event of the logs, every metric and every alert.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8')
const document = textOf('docs/operations.md')

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts') && !/\.test\.ts$|\.d\.ts$|\/testing\/|^web\//.test(path))
  .map(path => ({ path, text: textOf(join('src', path)) }))

/** The section under a heading, up to the next heading of the same level or above. */
function section(heading: string): string {
  const level = /^#+/.exec(heading)![0].length
  const from = document.indexOf(`\n${heading}\n`)
  assert.ok(from >= 0, heading)
  const rest = document.slice(from + heading.length + 2)
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'))
  return end < 0 ? rest : rest.slice(0, end)
}

/** The names in the first column of a section's tables. */
const firstColumn = (text: string): string[] =>
  [...text.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
  )

describe('docs/operations.md', () => {
  it('lists every event, and none that there is not', () => {
    const told = sources.flatMap(({ text }) =>
      [...text.matchAll(/\bevent: ('[a-z_]+'(?: \| '[a-z_]+')*)/g)].flatMap(([, words]) =>
        words!.replaceAll("'", '').split(' | ')
      )
    )
    assert.ok(told.length > 80, `only ${told.length} found`)
    assert.deepEqual(
      [...new Set(firstColumn(section('## Events in the logs')))].toSorted(),
      [...new Set(told)].toSorted()
    )
  })

  it('no line of a log is without an event', () => {
    const lines = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/\blog(?:\.(?:info|warn|error|fatal)|\[[^\]]+\])\(\s*(\S{0,40})/g)].map(
        ([, begin]) => `${path}: ${begin}`
      )
    )
    assert.ok(lines.length > 60, `only ${lines.length} found`)
    // Some log lines are built before the call, in audit.ts and model/security.ts. They are named `line` or `event`.
    assert.deepEqual(
      lines.filter(line => !/: \{$/.test(line) && !/: (line|event),$/.test(line)),
      []
    )
    const withoutEvent = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/\blog(?:\.(?:info|warn|error|fatal)|\[[^\]]+\])\(\s*\{\s*(\w+)/g)]
        .filter(([, member]) => member !== 'event')
        .map(([line]) => `${path}: ${line}`)
    )
    assert.deepEqual(withoutEvent, [])
  })

  it('says of every alert what it means', () => {
    const alerts: string[] = parse(textOf('deploy/prometheus/alerts.yml')).groups.flatMap(
      ({ rules }: { rules: { alert: string }[] }) => rules.map(({ alert }) => alert)
    )
    const headings = [...section('## Each alert').matchAll(/^### (\w+)$/gm)].map(([, name]) => name!)
    assert.deepEqual(headings, alerts)
    for (const name of headings) assert.ok(section(`### ${name}`).trim().length > 60, name)
  })

  it('lists every metric of ours, and none that there is not', () => {
    const made = sources.flatMap(({ text }) => [...text.matchAll(/'(chargelift_[a-z_]+)'/g)].map(([, name]) => name!))
    const listed = firstColumn(section('## Metrics')).map(name => name.replace(/\{.*/, ''))
    assert.deepEqual(listed.filter(name => name.startsWith('chargelift_')).toSorted(), [...new Set(made)].toSorted())
  })
})
