import { clockFaults } from './clock.ts'
import { graphObjects } from './graph-objects.ts'
import { graphPages } from './graph-pages.ts'
import { loginFaults } from './login.ts'
import { partnerFaults } from './partner.ts'
import { payloadFaults } from './payloads.ts'
import { postgresFaults } from './postgres.ts'
import { redisFaults } from './redis.ts'
import type { Fault } from './fault.ts'

/** Every fault that is done to a running daemon, by the file it stands in. */
export const catalogue: Record<string, Fault[]> = {
  clock: clockFaults,
  'graph-pages': graphPages,
  'graph-objects': graphObjects,
  login: loginFaults,
  partner: partnerFaults,
  payloads: payloadFaults,
  postgres: postgresFaults,
  redis: redisFaults,
}
