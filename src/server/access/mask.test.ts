import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masked, maskedCard } from './mask.ts'
import { accessRoles } from './tokens.ts'

test('card ids are for billing and above; that nothing is connected, and all other values, are for everybody', () => {
  const seenBy = (name: string, value: string | number) =>
    accessRoles.map(role => masked({ name: 'x', role }, name, value))
  assert.deepEqual(seenBy('ConnectedVehicle', '04A1B2C3'), [maskedCard, '04A1B2C3', '04A1B2C3'])
  assert.deepEqual(seenBy('ConnectedVehicle', '1'), [maskedCard, '1', '1'])
  assert.deepEqual(seenBy('ConnectedVehicle', ''), ['', '', ''])
  assert.deepEqual(seenBy('PowerOutput', 7200), [7200, 7200, 7200])
  assert.deepEqual(seenBy('ChargerStatus', 'Idle'), ['Idle', 'Idle', 'Idle'])
})
