// Tests each form of --redis-url against a matching Redis: an ACL user over TLS, a master behind a Sentinel, and a
// Redis Cluster.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { RedisLink } from '../../src/broker/redis/redisLink.ts'
import { RedisQueue } from '../../src/broker/redis/redisQueue.ts'
import { SharedPersistence } from '../../src/broker/redis/sharedPersistence.ts'
import { Shadow } from '../../src/broker/shadow.ts'
import { initAuthority } from '../../src/pki/authority/authority.ts'
import { SharedShadow } from '../../src/server/peers/sharedShadow.ts'
import { freePort } from '../../src/server/ports.ts'
import { until } from '../harness.ts'

const missing = spawnSync('redis-server', ['--version']).error && 'apt-get install redis-server'

describe('redis-url', { skip: missing }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-redis-'))
  const ends: (() => unknown)[] = []
  after(async () => {
    for (const end of ends.reverse()) await end()
    rmSync(dir, { recursive: true, force: true })
  })

  const start = (program: string, ...args: string[]): ChildProcess => {
    const folder = join(dir, String(ends.length))
    mkdirSync(folder)
    const child = spawn(program, args, { stdio: 'ignore', cwd: folder })
    ends.push(() => child.kill('SIGKILL'))
    return child
  }
  const cli = (port: number, ...args: string[]): string =>
    spawnSync('redis-cli', ['-p', String(port), ...args]).stdout.toString()

  /** Asserts that two servers share sessions, a queue and the Shadow over this Redis. */
  async function isShared(url: string): Promise<void> {
    const heard: string[] = []
    const open = async (node: string): Promise<RedisLink> => {
      const link = await RedisLink.open({ url, node, away() {}, restored() {} })
      ends.push(() => link.close())
      await until(() => link.isReachable, Boolean)
      return link
    }
    const [one, two] = [await open('one'), await open('two')]
    await new RedisQueue(one).enqueue(['c:1', 'd:1'], {
      cmd: 'publish',
      brokerId: 'b',
      brokerCounter: 1,
      topic: 't',
      payload: 'x'
    })
    const queued: unknown[] = []
    for await (const { topic } of new RedisQueue(two).list('d:1')) queued.push(topic)
    assert.deepEqual(queued, ['t'])
    const serve = async (link: RedisLink, id: string): Promise<SharedPersistence> => {
      const persistence = new SharedPersistence({ link, known() {}, failed: error => assert.fail(error) })
      await persistence.setup({ id })
      return persistence
    }
    const [here, there] = [await serve(one, 'one'), await serve(two, 'two')]
    for (const id of ['c:1', 'd:1']) {
      const client = { id, clean: false }
      await here.addSubscriptions(client, [{ topic: `t/${id}`, qos: 1 }])
      await here.putWill(client, { topic: `gone/${id}`, payload: Buffer.from('x'), qos: 1, retain: false })
      await here.incomingStorePacket(client, { cmd: 'publish', messageId: 7, topic: 't', payload: 'x' })
      assert.deepEqual(
        (await there.subscriptionsByClient(client)).map(({ topic }) => topic),
        [`t/${id}`]
      )
      assert.equal(
        ((await there.incomingGetPacket(client, { cmd: 'pubrel', messageId: 7 })) as { topic: string }).topic,
        't'
      )
    }
    const wills: string[] = []
    for await (const { topic } of there.streamWill({})) wills.push(topic)
    assert.deepEqual(wills, ['gone/c:1', 'gone/d:1'])
    await there.delWill({ id: 'c:1', brokerId: 'one' })
    await there.cleanSubscriptions({ id: 'd:1' })
    const restarted = await serve(two, 'restarted')
    assert.deepEqual(await restarted.subscriptionsByClient({ id: 'd:1' }), [])
    assert.equal((await restarted.subscriptionsByClient({ id: 'c:1' })).length, 1)
    const shadow = (link: RedisLink): SharedShadow => {
      const own = new Shadow()
      own.watch(topic => heard.push(topic))
      return new SharedShadow({ link, shadow: own })
    }
    const [writer] = [shadow(one), shadow(two)]
    for (const charger of ['c1', 'c2'])
      writer!.note(`chargers/${charger}/PowerOutput`, { timeUs: 2_000_000, payload: '{}' })
    await until(
      () => heard.length,
      count => count === 2
    )
    await writer!.close()
    const late = shadow(await open('late'))
    heard.length = 0
    await late.load()
    assert.deepEqual(heard.sort(), ['chargers/c1/PowerOutput', 'chargers/c2/PowerOutput'])
    await late.close()
  }

  it('an ACL user over TLS, with the rights that the documentation names', async t => {
    const port = await freePort()
    const plain = await freePort()
    await initAuthority({ dir: dir })
    const at = (name: string): string => join(dir, name)
    const tls = ['--tls-port', String(port), '--tls-cert-file', at('server.pem'), '--tls-key-file', at('server.key')]
    const withTls = start(
      'redis-server',
      '--port',
      String(plain),
      '--save',
      '',
      ...tls,
      '--tls-ca-cert-file',
      at('ca.pem'),
      '--tls-auth-clients',
      'no'
    )
    const answers = await until(
      () => cli(plain, 'ping'),
      text => text.includes('PONG') || withTls.exitCode !== null
    )
    if (!answers.includes('PONG')) return t.skip('this redis-server has no TLS: apt-get install redis-server')
    const rights = '~chargelift:* &chargelift:* +@all -@admin -@dangerous +info'
    assert.match(cli(plain, 'ACL', 'SETUSER', 'chargelift', 'on', '>secret', ...rights.split(' ')), /OK/)
    assert.match(cli(plain, 'ACL', 'SETUSER', 'default', 'off'), /OK/)
    await isShared(`rediss://chargelift:secret@localhost:${port}/0?ca=${at('ca.pem')}`)
  })

  it('the master behind a Sentinel', async () => {
    const [port, sentinel] = [await freePort(), await freePort()]
    start('redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '')
    const file = join(dir, 'sentinel.conf')
    writeFileSync(file, `port ${sentinel}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 ${port} 1\n`)
    await until(
      () => cli(port, 'ping'),
      text => text.includes('PONG')
    )
    start('redis-server', file, '--sentinel')
    await until(
      () => cli(sentinel, 'ping'),
      text => text.includes('PONG')
    )
    await isShared(`redis+sentinel://127.0.0.1:${sentinel}/mymaster`)
  })

  it('a Redis Cluster', async () => {
    const ports = [await freePort(), await freePort()]
    const buses = [await freePort(), await freePort()]
    for (const [i, port] of ports.entries()) {
      const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(buses[i])]
      start('redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', ...cluster)
      await until(
        () => cli(port, 'ping'),
        text => text.includes('PONG')
      )
    }
    cli(ports[0]!, 'cluster', 'addslotsrange', '0', '8191')
    cli(ports[1]!, 'cluster', 'addslotsrange', '8192', '16383')
    cli(ports[1]!, 'config', 'set', 'cluster-announce-ip', '127.0.0.1')
    cli(ports[1]!, 'cluster', 'set-config-epoch', '2')
    cli(ports[0]!, 'cluster', 'meet', '127.0.0.1', String(ports[1]), String(buses[1]))
    for (const port of ports)
      await until(
        () => cli(port, 'cluster', 'info'),
        text => /state:ok[\s\S]*known_nodes:2/.test(text)
      )
    await isShared(`redis+cluster://127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}`)
  })
})
