// Tests the files for Prometheus and Grafana. promtool accepts the rules. Each alert has a test that fires it and a
// test that does not. A real server has every metric that a rule or a panel names.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { Harness } from '../harness.ts'
import { promtool, promtoolMissing } from '../promtool.ts'

const pathOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const textOf = (name: string): string => readFileSync(pathOf(name), 'utf8')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
}
const rules: readonly Rule[] = parse(textOf('deploy/prometheus/alerts.yml')).groups.flatMap(
  ({ rules }: { rules: Rule[] }) => rules
)

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
}
const dashboard = JSON.parse(textOf('deploy/grafana/chargelift.json')) as { panels: readonly Panel[] }

/** The names of metrics in an expression: words that are neither quoted, nor labels, nor words of PromQL. */
const metricsIn = (expr: string): string[] => [
  ...new Set(expr.replaceAll(/"[^"]*"/g, '').match(/\b(chargelift|process|nodejs)_\w+/g))
]

describe('alerts', { skip: promtoolMissing }, () => {
  it('are rules that promtool takes', () => {
    const { status, stdout, stderr } = promtool(['check', 'rules', pathOf('deploy/prometheus/alerts.yml')])
    assert.equal(status, 0, stdout + stderr)
    assert.match(stdout, new RegExp(`SUCCESS: ${rules.length} rules found`))
  })

  it('fire and keep quiet as their tests say', () => {
    const { status, stdout, stderr } = promtool(['test', 'rules', pathOf('deploy/prometheus/alerts.test.yml')])
    assert.equal(status, 0, stdout + stderr)
  })

  it('each has a test that fires it and one that does not', () => {
    const names: string[] = parse(textOf('deploy/prometheus/alerts.test.yml')).tests.map(
      ({ name }: { name: string }) => name
    )
    for (const { alert } of rules) {
      assert.ok(names.includes(`${alert} fires`), `${alert} fires`)
      assert.ok(names.includes(`${alert} is quiet`), `${alert} is quiet`)
    }
  })
})

describe('alerts and dashboard', () => {
  const harness = Harness.use()

  it('ask for nothing that a server does not have', async () => {
    const server = await harness.server(await harness.database())
    const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]))
    const known = new Set(
      [...types].flatMap(([name, type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
      )
    )
    const asked = [
      ...rules.map(({ alert, expr }) => [alert, expr] as const),
      ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const))
    ]
    for (const [where, expr] of asked) {
      const names = metricsIn(expr)
      if (!expr.startsWith('up{')) assert.ok(names.length > 0, where)
      for (const name of names) assert.ok(known.has(name), `${where}: ${name}`)
    }
  })

  it('every panel has a place of its own', () => {
    const taken = new Map<string, string>()
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.equal(taken.get(`${x} ${y}`), undefined, `${title} lies over ${taken.get(`${x} ${y}`)}`)
          assert.ok(x < 24, title)
          taken.set(`${x} ${y}`, title)
        }
      }
    }
  })

  it('every expression of a panel is one of PromQL', { skip: promtoolMissing }, () => {
    const exprs = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    const filled = exprs.map(expr => expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'))
    const rules = filled.map((expr, i) => ({ record: `panel:${i}`, expr }))
    const file = join(harness.dir, 'panels.yml')
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }))
    const { status, stdout, stderr } = promtool(['check', 'rules', file])
    assert.equal(status, 0, stdout + stderr)
  })
})
