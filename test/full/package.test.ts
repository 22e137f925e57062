// Tests the Debian package and install.sh: the installed files, their owners, and what survives an upgrade, a rollback
// and a purge. dpkg works on a separate root and changes nothing on this machine.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { builtProducts, packageFile, root } from '../products.ts'

const folder = mkdtempSync(join(tmpdir(), 'chargelift-package-'))
const target = join(folder, 'root')
const at = (path: string): string => join(target, path)
const modeOf = (path: string): string => (statSync(at(path)).mode & 0o7777).toString(8)
const has = (program: string): boolean => spawnSync('which', [program]).status === 0

function missing(): string | false {
  if (!has('dpkg')) return 'needs Debian: dpkg'
  return process.getuid?.() === 0 ? false : 'needs root: sudo npm run test:full'
}

/** Makes a root with users and a dpkg database, and nothing else. */
function makeRoot(): void {
  rmSync(target, { recursive: true, force: true })
  for (const path of ['etc', 'var/lib/dpkg/info', 'var/lib/dpkg/updates']) mkdirSync(at(path), { recursive: true })
  for (const path of ['var/lib/dpkg/status', 'var/lib/dpkg/available']) writeFileSync(at(path), '')
  writeFileSync(at('etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(at('etc/group'), 'root:x:0:\n')
  writeFileSync(at('etc/shadow'), 'root:*:19000:0:99999:7:::\n')
  writeFileSync(at('etc/gshadow'), 'root:*::\n')
}

/**
 * Runs dpkg on the root. Its scripts run with DPKG_ROOT outside of the root, because the root has no shell. The
 * packages that it depends on are not installed.
 */
function dpkg(...args: string[]): string {
  const flags = [`--root=${target}`, '--force-script-chrootless', '--force-depends', '--force-confold']
  const { status, stdout, stderr } = spawnSync('dpkg', [...flags, ...args], { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
  return stdout + stderr
}

/** The owner of a path, by the names of the target. */
function ownerOf(path: string): string {
  const nameOf = (file: string, id: number): string | undefined =>
    readFileSync(at(file), 'utf8')
      .split('\n')
      .map(line => line.split(':'))
      .find(fields => Number(fields[2]) === id)?.[0]
  const { uid, gid } = statSync(at(path))
  return `${nameOf('etc/passwd', uid)}:${nameOf('etc/group', gid)}`
}

/** Repacks the package as an older version. */
function asVersion(file: string, version: string): string {
  const unpacked = join(folder, version)
  execFileSync('dpkg-deb', ['--raw-extract', file, unpacked])
  const control = join(unpacked, 'DEBIAN/control')
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, `Version: ${version}`))
  const older = join(folder, `chargelift_${version}.deb`)
  execFileSync('dpkg-deb', ['-Znone', '--root-owner-group', '--build', unpacked, older])
  rmSync(unpacked, { recursive: true })
  return older
}

after(() => rmSync(folder, { recursive: true, force: true }))

describe('Debian package', { skip: missing() }, () => {
  let file = ''
  before(async () => {
    file = join(await builtProducts('x64'), packageFile('x64'))
    makeRoot()
  })

  it('installs program, units, settings with comments and licences, as root and readable', () => {
    dpkg('--install', file)
    assert.equal(modeOf('usr/bin/chargelift'), '755')
    assert.match(execFileSync(at('usr/bin/chargelift'), ['--version'], { encoding: 'utf8' }), /^\d+\.\d+\.\d+/)
    for (const path of [
      'usr/lib/systemd/system/chargelift-server.service',
      'usr/lib/systemd/system/chargelift-edge@.service',
      'usr/share/doc/chargelift/copyright',
      'usr/share/doc/chargelift/edge.example.yaml'
    ]) {
      assert.equal(modeOf(path), '644', path)
      assert.equal(ownerOf(path), 'root:root', path)
    }
    assert.match(readFileSync(at('etc/chargelift/server.env'), 'utf8'), /^# .*\n#DATABASE_URL=/m)
  })

  it('server and edge have users of their own; what is secret is readable by them alone', () => {
    const passwd = readFileSync(at('etc/passwd'), 'utf8')
    assert.match(passwd, /^chargelift:.*:\/nonexistent:\/usr\/sbin\/nologin$/m)
    assert.match(passwd, /^chargelift-edge:.*:\/nonexistent:\/usr\/sbin\/nologin$/m)
    assert.deepEqual(
      [ownerOf('etc/chargelift/server.env'), modeOf('etc/chargelift/server.env')],
      ['root:chargelift', '640']
    )
    assert.deepEqual([ownerOf('etc/chargelift/certs'), modeOf('etc/chargelift/certs')], ['root:chargelift', '750'])
    assert.deepEqual(
      [ownerOf('etc/chargelift/edge'), modeOf('etc/chargelift/edge')],
      ['chargelift-edge:chargelift-edge', '750']
    )
  })

  it('upgrade and rollback keep settings and spool; a purge keeps the spool and the keys', () => {
    const older = asVersion(file, '0.0.1')
    makeRoot()
    dpkg('--install', older)
    appendFileSync(at('etc/chargelift/server.env'), 'CHARGELIFT_WORKERS=3\n')
    mkdirSync(at('var/lib/chargelift-edge/wallbox-1'), { recursive: true })
    const spool = at('var/lib/chargelift-edge/wallbox-1/spool.sqlite')
    writeFileSync(spool, 'samples')
    mkdirSync(at('etc/chargelift/edge/wallbox-1'))
    const key = at('etc/chargelift/edge/wallbox-1/wallbox-1.key')
    writeFileSync(key, 'key')
    const versionOf = (): string => /^Version: (.*)$/m.exec(dpkg('--status', 'chargelift'))![1]!
    const kept = (): boolean[] => [
      readFileSync(at('etc/chargelift/server.env'), 'utf8').endsWith('CHARGELIFT_WORKERS=3\n'),
      readFileSync(spool, 'utf8') === 'samples',
      readFileSync(key, 'utf8') === 'key'
    ]
    dpkg('--install', file)
    assert.notEqual(versionOf(), '0.0.1')
    assert.deepEqual(kept(), [true, true, true])
    dpkg('--install', older)
    assert.equal(versionOf(), '0.0.1')
    assert.deepEqual(kept(), [true, true, true])
    dpkg('--remove', 'chargelift')
    assert.deepEqual(kept(), [true, true, true])
    const told = dpkg('--purge', 'chargelift')
    assert.match(told, /left in place: \/var\/lib\/chargelift-edge/)
    assert.deepEqual([existsSync(spool), existsSync(key)], [true, true])
    assert.equal(existsSync(at('etc/chargelift/server.env')), false)
    assert.equal(existsSync(at('usr/bin/chargelift')), false)
  })

  describe('units', { skip: has('systemd-analyze') ? false : 'needs systemd: apt install systemd' }, () => {
    const unitsOf = ['chargelift-server.service', 'chargelift-edge@.service']
    before(() => {
      makeRoot()
      dpkg('--install', file)
    })

    it('systemd finds no fault in them', () => {
      // systemd requires that the started programs are present and executable, and that the named targets exist.
      for (const program of ['bin/kill', 'bin/sh']) {
        mkdirSync(at('bin'), { recursive: true })
        copyFileSync(`/${program}`, at(program))
        chmodSync(at(program), 0o755)
      }
      for (const unit of ['multi-user', 'network-online', 'sysinit', 'basic', 'shutdown'])
        writeFileSync(at(`usr/lib/systemd/system/${unit}.target`), '[Unit]\nDescription=of the test\n')
      for (const unit of ['system.slice', 'system-chargelift\\x2dedge.slice', '-.slice'])
        writeFileSync(at(`usr/lib/systemd/system/${unit}`), '[Unit]\nDescription=of the test\n')
      const instances = ['chargelift-server.service', 'chargelift-edge@wallbox-1.service']
      const { status, stdout, stderr } = spawnSync('systemd-analyze', [`--root=${target}`, 'verify', ...instances], {
        encoding: 'utf8'
      })
      assert.deepEqual([status, stdout + stderr], [0, ''])
    })

    it('are sealed off: an exposure below 3.0', t => {
      for (const unit of unitsOf) {
        const args = ['security', '--offline=true', '--threshold=29', at(`usr/lib/systemd/system/${unit}`)]
        const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
        t.diagnostic(stdout.trim().split('\n').at(-1)!)
        assert.equal(status, 0, stdout + stderr)
      }
    })

    it('have a user of their own, a watchdog, a state folder, and restart but not after faults of the configuration', () => {
      for (const unit of unitsOf) {
        const text = readFileSync(at(`usr/lib/systemd/system/${unit}`), 'utf8')
        for (const line of [/^Type=notify$/m, /^User=chargelift/m, /^WatchdogSec=\d+$/m, /^Restart=always$/m])
          assert.match(text, line)
        for (const line of [/^StateDirectory=chargelift/m, /^RestartPreventExitStatus=78$/m]) assert.match(text, line)
      }
    })
  })
})

describe('install.sh', () => {
  const script = join(root, 'install.sh')
  let products = ''
  before(async () => {
    products = await builtProducts('x64')
  })

  /** Runs install.sh. The programs in `says` replace programs of this machine and print another answer. */
  function install(args: readonly string[], says: Readonly<Record<string, string>> = {}) {
    const bin = mkdtempSync(join(folder, 'bin-'))
    for (const [name, text] of Object.entries(says))
      writeFileSync(join(bin, name), `#!/bin/sh\necho ${text}\n`, { mode: 0o755 })
    return spawnSync('sh', [script, ...args], {
      encoding: 'utf8',
      env: { PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin` }
    })
  }

  it('refuses 32-bit systems with one sentence, also below a 64-bit kernel', () => {
    const cases = [
      { uname: 'armv7l' },
      { uname: 'i686' },
      { uname: 'aarch64', getconf: '32', dpkg: 'armhf' },
      { uname: 'aarch64', getconf: '64', dpkg: 'armhf' },
      { uname: 'x86_64', getconf: '32', dpkg: 'i386' }
    ]
    for (const says of cases) {
      const { status, stdout, stderr } = install(['--from', products], says)
      assert.equal(status, 1)
      assert.equal(stdout, '')
      assert.match(
        stderr,
        /^chargelift: chargelift needs a 64-bit system[^\n]*: install the 64-bit version of its operating system\n$/
      )
    }
  })

  it('installs the binary, whose SHA-256 it has checked', () => {
    const prefix = join(folder, 'prefix')
    const { status, stderr } = install(['--from', products, '--binary-only', '--prefix', prefix])
    assert.equal(status, 0, stderr)
    const installed = join(prefix, 'bin/chargelift')
    assert.ok(readFileSync(installed).equals(readFileSync(join(products, 'chargelift-linux-x64'))))
    assert.equal(statSync(installed).mode & 0o777, 0o755)
  })

  it('installs nothing that was cut or changed, or is not named in SHA256SUMS', () => {
    const from = mkdtempSync(join(folder, 'from-'))
    const prefix = join(from, 'prefix')
    const name = 'chargelift-linux-x64'
    writeFileSync(join(from, name), 'not the binary')
    writeFileSync(join(from, 'SHA256SUMS'), `${'0'.repeat(64)}  ${name}\n`)
    const changed = install(['--from', from, '--binary-only', '--prefix', prefix])
    assert.equal(changed.status, 1)
    assert.match(changed.stderr, /is not what SHA256SUMS says/)
    writeFileSync(join(from, 'SHA256SUMS'), `${'0'.repeat(64)}  another\n`)
    assert.match(install(['--from', from, '--binary-only', '--prefix', prefix]).stderr, /found no such line/)
    assert.equal(existsSync(join(prefix, 'bin/chargelift')), false)
  })
})
