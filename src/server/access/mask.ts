// Card ids are personal data: they tell who charged when. Every answer over HTTP that shows a value, a payload or a session
// goes through here. That a vehicle is connected is no secret; which one is for the role billing and above.

import type { Value } from '../../model/wire/envelope.ts'
import { type Caller, may } from './access.ts'

/** What stands for a card id. Of one length, and the same for all: not even two sessions of one card can be matched. */
export const maskedCard = '***'

export const mayReadCards = (caller: Caller): boolean => may(caller, 'billing')

/** The value as this caller may see it; `name` is its value name on the wire. */
export const masked = (caller: Caller, name: string, value: Value): Value =>
  name !== 'ConnectedVehicle' || value === '' || mayReadCards(caller) ? value : maskedCard
