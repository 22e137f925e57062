// Tests the examples of deploy/ and the settings of the Debian package, without Docker and without a cluster. The files
// are well-formed. They name only settings, paths and files that exist. They are as closed as they claim to be.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { parseServerConfig, serverFlagsHelp } from '../src/server/config.ts'
import { root } from './products.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const settings = new Set(serverFlagsHelp().match(/\b(CHARGELIFT_[A-Z_]+|DATABASE_URL|REDIS_URL)\b/g))
const compose = parse(read('deploy/compose.yaml'))
const cluster = parseAllDocuments(read('deploy/kubernetes.yaml')).map(document => {
  assert.deepEqual(document.errors, [])
  return document.toJS()
})
const named = (kind: string, name = 'chargelift') =>
  cluster.find(object => object.kind === kind && object.metadata.name === name) ?? assert.fail(`no ${kind} ${name}`)
const pod = named('StatefulSet').spec.template.spec
const container = pod.containers[0]

/** Asserts that the server knows all these settings and accepts them. */
function takes(env: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(env)) assert.ok(settings.has(name), `${name} is no setting of the server`)
  parseServerConfig([], { DATABASE_URL: 'postgres://h/d', ...env })
}

test("the settings of the Debian package, also those that are commented out, are the server's", () => {
  const lines = read('build/debian/server.env').split('\n')
  const given = lines.flatMap(line => /^#?([A-Z_]+)=(.*)$/.exec(line)?.slice(1, 3) ?? []) as string[]
  const env: Record<string, string> = {}
  for (let at = 0; at < given.length; at += 2) env[given[at]!] = given[at + 1]!
  assert.ok(Object.keys(env).length > 8)
  takes(env)
})

test('the variables of malloc in units and images are those that the program would set itself, which saves a start', async () => {
  const { serverLean } = await import('../src/cli/process/lean.ts')
  const wanted = Object.entries(serverLean.malloc).map(([name, value]) => `MALLOC_${name}=${value}`)
  for (const file of ['build/debian/chargelift-server.service', 'deploy/Dockerfile']) {
    const line = /^(?:Environment=|ENV )(MALLOC_.*)$/m.exec(read(file))?.[1]
    assert.deepEqual(line?.split(' '), wanted, file)
  }
})

test('the image holds the binary alone, and runs as nobody', () => {
  const lines = read('deploy/Dockerfile')
    .split('\n')
    .filter(line => /^[A-Z]/.test(line))
  const of = (word: string): string[] => lines.filter(line => line.startsWith(`${word} `))
  assert.match(of('FROM')[0]!, /distroless.*:nonroot$/)
  assert.deepEqual(of('USER'), ['USER 65532:65532'])
  assert.equal(of('COPY').length, 1)
  assert.match(of('COPY')[0]!, /^COPY --chmod=0755 chargelift-linux-\$\{ARCH\} \/usr\/bin\/chargelift$/)
  assert.deepEqual([of('RUN'), of('ADD'), of('FROM').length], [[], [], 1])
  assert.deepEqual(JSON.parse(of('ENTRYPOINT')[0]!.slice('ENTRYPOINT '.length)), ['/usr/bin/chargelift'])
})

test('compose: a read-only server without capabilities, with settings that it takes, and time to stop', () => {
  const { server, database, redis } = compose.services
  const env = Object.fromEntries(
    Object.entries(server.environment as Record<string, string>).map(([name, value]) => [
      name,
      value.replace(/\$\{[^}]*\}/, 'secret')
    ])
  )
  takes(env)
  assert.deepEqual([server.read_only, server.cap_drop], [true, ['ALL']])
  assert.ok(Number.parseInt(server.stop_grace_period, 10) > 10)
  assert.deepEqual(Object.keys(server.depends_on), ['database', 'redis'])
  assert.ok(database.healthcheck.test && redis.healthcheck.test)
  const mounted = (server.volumes as string[]).map(volume => volume.split(':')[1])
  const used = Object.entries(env).flatMap(([name, value]) => (name.startsWith('CHARGELIFT_TLS') ? [value] : []))
  assert.deepEqual(mounted.sort(), used.sort())
  assert.ok(!JSON.stringify(compose).includes('ca.key'))
})

test('Kubernetes: probes that exist, a drain that fits the grace period, secrets as secrets, nothing writable but /tmp', () => {
  const routes = readdirSync(join(root, 'src/server/http')).map(file =>
    file.endsWith('.ts') ? read(`src/server/http/${file}`) : ''
  )
  for (const probe of [container.readinessProbe, container.livenessProbe]) {
    assert.ok(
      routes.some(text => text.includes(`'${probe.httpGet.path}'`)),
      probe.httpGet.path
    )
    assert.equal(probe.httpGet.scheme, 'HTTPS')
  }
  const env = Object.fromEntries(
    container.env.map(({ name, value = '' }: { name: string; value?: string }) => [name, value])
  )
  takes(env)
  const secrets = container.env.filter(
    ({ valueFrom }: { valueFrom?: { secretKeyRef?: object } }) => valueFrom?.secretKeyRef
  )
  assert.deepEqual(
    secrets.map(({ name }: { name: string }) => name),
    ['DATABASE_URL', 'REDIS_URL']
  )
  const drainS = Number(env.CHARGELIFT_DRAIN_SECONDS) + container.lifecycle.preStop.sleep.seconds + 10
  assert.ok(drainS < pod.terminationGracePeriodSeconds)
  assert.deepEqual(
    [
      pod.securityContext.runAsNonRoot,
      container.securityContext.readOnlyRootFilesystem,
      container.securityContext.allowPrivilegeEscalation
    ],
    [true, true, false]
  )
  const mounts = container.volumeMounts.map(({ name }: { name: string }) => name)
  assert.deepEqual(
    mounts,
    pod.volumes.map(({ name }: { name: string }) => name)
  )
  const labels = JSON.stringify(named('StatefulSet').spec.template.metadata.labels)
  for (const object of [named('Service', 'chargelift-mqtt'), named('Service', 'chargelift-http')])
    assert.equal(JSON.stringify(object.spec.selector), labels)
})
