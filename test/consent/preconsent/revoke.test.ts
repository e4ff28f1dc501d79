import { expect, test } from 'vitest'
import { gdapRoles } from '../../../simulator/relationships.ts'
import { preconsentCustomer } from '../../../src/consent/preconsent/preconsent.ts'
import { revokeGrants } from '../../../src/consent/preconsent/revoke.ts'
import { caught } from '../../graph/caught.ts'
import { control } from '../../simulator/asking.ts'
import { openPartnerCloud } from './partner-cloud.ts'

const forever = new AbortController().signal

test('all that the app may do there is taken away, what others gave it too', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  await preconsentCustomer(own.context, own.customer, forever, { requestedBy: 'tester' })
  await control(own.cloud, 'POST /grant', {
    tenantId: own.customer,
    roles: [...own.there().roles, 'OrgContact.Read.All'],
    delegated: ['User.Read'],
  })
  const { revoked, left } = await revokeGrants(own.context, own.customer, own.cloud.clientId, forever)
  expect(left).toEqual([])
  expect(revoked).toContain('User.Read.All')
  expect(revoked).toContain('User.Read (delegated)')
  expect(revoked.some((text) => text.startsWith('app role e1a88a34'))).toBe(true)
  expect(own.there()).toMatchObject({ roles: [], delegated: [] })
  expect(await own.row()).toMatchObject({ bootstrap_open: false })
  // Another customer is untouched by it.
  expect(own.there(own.customers[1]).state).toBe('no-service-principal')
  expect((await revokeGrants(own.context, own.customer, own.cloud.clientId, forever)).left).toEqual([])
})

test('without a sign-in, or without a partner, it says what is left and who acts', async () => {
  const own = await openPartnerCloud()
  const nobody = await revokeGrants(own.context, own.customer, own.cloud.clientId, forever)
  expect(nobody).toMatchObject({
    revoked: [],
    left: [expect.stringMatching(/admin of the customer .* signs in/)],
  })
  const partner = await revokeGrants(own.context, own.partner, own.cloud.clientId, forever)
  expect(partner).toMatchObject({ revoked: [], left: [expect.stringContaining('no partner reaches it')] })
})

test('a user without the roles revokes nothing, and leaves nothing of the attempt', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const revoke = () => revokeGrants(own.context, own.customer, own.cloud.clientId, forever)
  await control(own.cloud, 'POST /gdap', { tenantId: own.customer, assignments: [] })
  expect(await caught(revoke())).toMatchObject({ code: 'partner_access_denied' })
  expect(await own.problems(own.customer)).toEqual([])
  await control(own.cloud, 'POST /gdap', {
    tenantId: own.customer,
    assignments: [{ group: 'applicationAdministrators', roles: [gdapRoles.applicationAdministrator] }],
  })
  await control(own.cloud, 'POST /grant', {
    tenantId: own.customer,
    state: 'ready',
    roles: ['User.Read.All'],
  })
  expect(await caught(revoke())).toMatchObject({ code: 'authorization_request_denied' })
  expect(await own.problems(own.customer)).toEqual(['bootstrap_grant_left'])
})
