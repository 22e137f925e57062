// Tests `chargelift top` and `chargelift tail` as processes against a real server, over TLS with a token and through a
// restart.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import pg from 'pg'
import { addToken } from '../../src/server/access/tokens.ts'
import type { ServerConfig } from '../../src/server/config.ts'
import { freePort } from '../../src/server/ports.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import { folder, Program } from '../programs.ts'
import type { WireClient } from '../wire.ts'

const harness = Harness.use()
let url = ''
let overrides: Partial<ServerConfig>
let server: RunningServer
let client: WireClient
let address: readonly string[]
const cwd = folder()

const publish = async (charger: string, name: string, value: unknown): Promise<void> => {
  await client.acked(...client.publishAll([[`chargers/${charger}/${name}`, envelope(value)]]))
}

describe('top and tail', () => {
  before(async () => {
    url = await harness.database()
    const [mqttPort, httpPort] = [await freePort(), await freePort()]
    const httpTls = { cert: join(harness.certs, 'server.pem'), key: join(harness.certs, 'server.key') }
    overrides = { mqttPorts: [mqttPort], httpPort, httpHost: '0.0.0.0', httpTls }
    server = await harness.server(url, overrides)
    await harness.device('t1', 'edge', ['t1', 't2'])
    client = await harness.client(server, 't1')
    const pool = new pg.Pool({ connectionString: url, max: 1 })
    harness.onEnd(() => pool.end())
    const tokenFile = join(cwd, 'token')
    writeFileSync(tokenFile, `${await addToken(pool, { name: 'watch', role: 'viewer', expiresAt: undefined })}\n`)
    const ca = join(harness.certs, 'ca.pem')
    address = ['--url', `https://localhost:${httpPort}`, '--token-file', tokenFile, '--ca', ca]
  })

  const start = (...args: string[]): Program => new Program(cwd, args)
  const ended = async (...args: string[]) => {
    const program = start(...args)
    return { code: await program.exit, out: program.stdout, err: program.stderr }
  }

  it('top --once prints the view of a server, and ends with 0', async () => {
    await publish('t1', 'OperationState', 'unscheduled_downtime')
    const seen = await until(
      () => ended('top', '--once', ...address),
      ({ out }) => /^t1 +fault/m.test(out)
    )
    assert.equal(seen.code, 0)
    assert.match(seen.out, /^chargelift \d+\.\d+\.\d+ .*UTC\ndatabase up {3}connections 1 /)
    assert.match(seen.out, /^committed +\d[\d,]* +1 /m)
    assert.match(seen.out, /^chargers 1 {3}fault 1$/m)
    assert.equal(seen.err, '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a script gets text alone
    assert.doesNotMatch(seen.out, /\x1b/)
    for (const line of seen.out.split('\n')) assert.ok(line.length <= 80, line)
  })

  it('a wrong token, a wrong authority, nobody there: each is one sentence', async () => {
    const wrongToken = join(cwd, 'wrong')
    writeFileSync(wrongToken, 'clft_wrong')
    const port = await freePort()
    const [token, authority, nobody] = await Promise.all([
      ended('tail', ...address, '--token-file', wrongToken),
      ended('top', '--once', '--url', address[1]!, '--token-file', address[3]!),
      ended('top', '--once', '--url', `http://127.0.0.1:${port}`)
    ])
    assert.equal(token.code, 78)
    assert.match(token.err, /^[^\n]*expected a token in force[^\n]*\n$/)
    assert.doesNotMatch(token.err, /clft_wrong/)
    assert.equal(authority.code, 1)
    assert.match(authority.err, /^no answer of https:\/\/localhost:\d+: .*certificate.*\n$/i)
    assert.equal(nobody.code, 1)
    assert.match(nobody.err, /^no answer of http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED.*\n$/)
  })

  it('tail shows what is committed, of one charger or of all, and both commands live through a restart of the server', async () => {
    const all = start('tail', ...address)
    const one = start('tail', 't2', '--json', ...address)
    const top = start('top', '--interval', '1', ...address)
    let power = 0
    const values = (program: Program): string => program.stdout
    // A stream begins with messages that come after it was opened. So the test publishes until both programs show
    // something.
    const untilShown = async (program: Program, what: RegExp): Promise<void> => {
      await until(
        async () => {
          await publish('t2', 'PowerOutput', ++power)
          return values(program)
        },
        text => what.test(text)
      )
    }
    await untilShown(all, /^\d{4}-\S+Z {2}t2 {2}PowerOutput +\d+ W$/m)
    await untilShown(one, /^\{"event":"reading","charger":"t2","name":"PowerOutput",/m)
    await publish('t1', 'PowerOutput', 7200)
    await until(
      () => all.stdout,
      text => /t1 {2}PowerOutput +7200 W/.test(text)
    )
    await until(
      () => top.stdout,
      text => /^\S+Z {2}database up {2}received /m.test(text)
    )

    await server.stop()
    await until(
      () => all.stderr,
      text => /trying again/.test(text)
    )
    await until(
      () => top.stdout,
      text => /no answer of https/.test(text)
    )
    server = await harness.server(url, overrides)
    client = await harness.client(server, 't1')
    const [before, lines] = [values(one).length, top.stdout.length]
    await until(
      async () => {
        await publish('t2', 'PowerOutput', ++power)
        return values(one).slice(before)
      },
      text => text.includes('PowerOutput')
    )
    await until(
      () => all.stderr,
      text => /connected/.test(text)
    )
    await until(
      () => top.stdout.slice(lines),
      text => /database up/.test(text)
    )
    assert.doesNotMatch(one.stdout, /"t1"/)
    for (const program of [all, one, top]) {
      program.kill('SIGINT')
      if (!program.ended()) await once(program.child, 'exit')
      assert.equal(program.child.exitCode, 0, program.stderr)
    }
  })
})
