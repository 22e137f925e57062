import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assetNames, isBinary, readAssetText, readVersion } from './assets.ts'

test("the version is the package's", () => {
  assert.equal(isBinary, false)
  assert.match(readVersion(), /^\d+\.\d+\.\d+/)
})

test('files below a folder are named in order, each can be read, and a folder that is not there has none', () => {
  const names = assetNames('sql')
  assert.equal(names[0], '000001_readings.sql')
  assert.deepEqual(names, names.toSorted())
  assert.match(readAssetText(`sql/${names[0]}`), /CREATE TABLE/)
  assert.ok(assetNames('src').includes('model/assets.ts'), 'subfolders with slashes')
  assert.deepEqual(assetNames('no-such-folder'), [])
})
