// Card ids are personal data: they tell who charged when. Every HTTP answer that shows a value, a payload or a session
// goes through here. Every caller may see that a vehicle is connected; its card id is for the role billing and above.

import type { Value } from '../../model/wire/envelope.ts'
import { type Caller, may } from './access.ts'

/** Stands for a card id. It is the same for all cards, so not even two sessions of one card can be matched. */
export const maskedCard = '***'

export const mayReadCards = (caller: Caller): boolean => may(caller, 'billing')

/** The value as this caller may see it. `name` is the name of the value on the wire. */
export const masked = (caller: Caller, name: string, value: Value): Value =>
  name !== 'ConnectedVehicle' || value === '' || mayReadCards(caller) ? value : maskedCard
