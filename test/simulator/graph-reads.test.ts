import { expect, test } from 'vitest'
import { addUsers, allRoles, askDirectory, code, page, pages, tenantId } from './graph-asking.ts'

const eventual = { headers: { consistencylevel: 'eventual' } }

test('lists come 100 a page, $top takes 1 to 999, and links are whole', async () => {
  const asked = askDirectory()
  const ids = addUsers(asked.directory, 1250)
  const sizes = async (link: string): Promise<number[]> =>
    (await pages(asked, link)).map(({ value }) => value.length)
  expect((await sizes('/users')).slice(0, 2)).toEqual([100, 100])
  expect(await sizes('/users?$top=999')).toEqual([999, 251])
  for (const top of ['0', '1000', 'x']) {
    expect(code(await asked.get(`/users?$top=${top}`))).toBe('Request_BadRequest')
  }
  const read = await pages(asked, '/users?$select=id&$top=999')
  expect(read[0]?.['@odata.nextLink']).toMatch(/\/v1\.0\/users\?\$select=id&\$top=999&\$skiptoken=/)
  expect(read.flatMap(({ value }) => value.map(({ id }) => id))).toEqual(ids)
})

test('objects that come and go during a list shift nothing', async () => {
  const asked = askDirectory()
  const ids = addUsers(asked.directory, 250)
  const read = await pages(asked, '/users?$select=id', {
    between: () => asked.directory.deleteUser(ids.shift() ?? ''),
  })
  expect(new Set(read.flatMap(({ value }) => value.map(({ id }) => id))).size).toBe(250)
})

test('a user is read by id or UPN; what is not set is null, what is unknown is refused', async () => {
  const asked = askDirectory()
  const [id = ''] = addUsers(asked.directory, 1)
  const byName = await asked.get('/users/USER0@contoso.example?$select=id,mail,accountEnabled')
  expect(byName.body).toMatchObject({ id, mail: null, accountEnabled: true })
  expect((await asked.get(`/users('${id}')`)).status).toBe(200)
  expect(code(await asked.get('/users/nobody@contoso.example'))).toBe('Request_ResourceNotFound')
  expect(code(await asked.get('/users?$select=id,shoeSize'))).toBe('BadRequest')
  expect((await asked.get('/users?$select=aboutMe')).status).toBe(501)
  expect(await asked.get('/nothing')).toMatchObject({ status: 400, body: { error: { code: 'BadRequest' } } })
  asked.directory.deleteUser(id)
  expect((await asked.get(`/users/${id}`)).status).toBe(404)
  expect(page(await asked.get('/directory/deletedItems/microsoft.graph.user')).value).toMatchObject([{ id }])
})

test('filters as directory queries are written', async () => {
  const asked = askDirectory()
  const ids = addUsers(asked.directory, 20)
  const sku = '05e9a617-0261-4cee-bb44-138d3ef5d965'
  asked.directory.setLicenses(ids[3] ?? '', [{ skuId: sku, disabledPlans: [] }])
  const found = async (filter: string): Promise<number> => {
    const link = `/users?$top=999&$count=true&$filter=${encodeURIComponent(filter)}`
    return page(await asked.get(link, eventual.headers))['@odata.count'] ?? -1
  }
  expect(await found("userType eq 'guest'")).toBe(2)
  expect(await found("userType ne 'Guest'")).toBe(18)
  expect(await found("startswith(displayName,'User 0001') and not(userType eq 'Guest')")).toBe(9)
  expect(await found("endsWith(userPrincipalName,'7@contoso.example')")).toBe(2)
  expect(await found(`id in ('${ids[0]}','${ids[1]}')`)).toBe(2)
  expect(await found(`assignedLicenses/any(x:x/skuId eq ${sku})`)).toBe(1)
  expect(await found("(mail eq null) and (userType eq 'Guest' or accountEnabled eq false)")).toBe(2)
  expect(code(await asked.get("/users?$filter=userType ne 'Guest'"))).toBe('Request_UnsupportedQuery')
  expect(code(await asked.get('/users?$filter=userType eq'))).toBe('BadRequest')
  expect(code(await asked.get('/users?$count=true'))).toBe('Request_UnsupportedQuery')
})

test('counts are plain text and need the eventual index', async () => {
  const asked = askDirectory()
  const [first = ''] = addUsers(asked.directory, 7)
  const group = asked.directory.addGroup({ displayName: 'Kitchen' })
  asked.directory.addMember(group, first)
  const count = async (path: string): Promise<unknown> => (await asked.get(path, eventual.headers)).body
  expect(await count('/users/$count')).toBe('7')
  expect(await count("/users/$count?$filter=startswith(displayName,'User 00003')")).toBe('1')
  expect(await count('/groups/$count')).toBe('1')
  expect(await count(`/groups/${group}/members/$count`)).toBe('1')
  expect(await count(`/groups/${group}/members/microsoft.graph.group/$count`)).toBe('0')
  expect((await asked.get('/users/$count')).status).toBe(400)
})

test('transitive members are found once each, also in a circle', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const [one = '', two = '', three = ''] = ['One', 'Two', 'Three'].map((displayName) =>
    asked.directory.addGroup({ displayName }),
  )
  asked.directory.addMember(one, two)
  asked.directory.addMember(two, three)
  asked.directory.addMember(three, one)
  asked.directory.addMember(three, user)
  const below = page(await asked.get(`/groups/${one}/transitiveMembers?$select=id`)).value
  expect(below.map(({ id }) => id).sort()).toEqual([two, three, user].sort())
  const above = page(await asked.get(`/users/${user}/transitiveMemberOf?$select=id`)).value
  expect(above.map(({ id }) => id).sort()).toEqual([one, two, three].sort())
  const direct = page(await asked.get(`/users/${user}/memberOf/microsoft.graph.group`)).value
  expect(direct).toMatchObject([{ '@odata.type': '#microsoft.graph.group', id: three, displayName: 'Three' }])
})

test('members of a type that may not be read come with id and type only, and no error', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const device = asked.directory.addDevice({ displayName: 'Laptop' })
  const group = asked.directory.addGroup({ displayName: 'Kitchen' })
  for (const member of [user, device]) asked.directory.addMember(group, member)
  asked.roles.splice(0, Infinity, 'GroupMember.Read.All', 'User.Read.All')
  const link = `/groups/${group}/members?$select=id,displayName`
  expect(page(await asked.get(link)).value).toEqual([
    { '@odata.type': '#microsoft.graph.user', id: user, displayName: 'User 00000' },
    { '@odata.type': '#microsoft.graph.device', id: device, displayName: null },
  ])
  const cast = page(await asked.get(`/groups/${group}/members/microsoft.graph.user?$select=id`)).value
  expect(cast.map(({ id }) => id)).toEqual([user])
})

test('Teams: their list is poor, one of them tells whether it is archived', async () => {
  const asked = askDirectory()
  const team = { groupTypes: ['Unified'], resourceProvisioningOptions: ['Team'] }
  const id = asked.directory.addGroup({ displayName: 'Kitchen', isArchived: true, ...team })
  const group = asked.directory.addGroup({ displayName: 'No Team' })
  const filter = encodeURIComponent("resourceProvisioningOptions/Any(x:x eq 'Team')")
  expect(page(await asked.get(`/groups?$filter=${filter}&$select=id`)).value).toEqual([{ id }])
  expect(page(await asked.get('/teams')).value).toMatchObject([
    { id, displayName: 'Kitchen', isArchived: null },
  ])
  expect((await asked.get(`/teams/${id}?$select=isArchived`)).body).toMatchObject({ isArchived: true })
  expect(code(await asked.get(`/teams/${group}`))).toBe('NotFound')
})

test('the tenant, its SKUs and the licences of a user', async () => {
  const asked = askDirectory()
  const skuId = 'cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46'
  const plan = { servicePlanId: '094e7854-93fc-4d55-b2c0-3ab5369ebdc1', servicePlanName: 'OFFICE_BUSINESS' }
  asked.directory.setSku({
    skuId,
    skuPartNumber: 'SPB',
    capabilityStatus: 'Enabled',
    enabled: 5,
    suspended: 0,
    warning: 0,
    servicePlans: [{ ...plan, provisioningStatus: 'Success' }],
  })
  const [first = '', second = ''] = addUsers(asked.directory, 2)
  asked.directory.setLicenses(first, [{ skuId, disabledPlans: [plan.servicePlanId] }])
  asked.directory.setLicenses(second, [{ skuId, disabledPlans: [] }])
  asked.directory.deleteUser(second)
  expect(page(await asked.get('/subscribedSkus')).value).toMatchObject([
    { id: `${tenantId}_${skuId}`, skuPartNumber: 'SPB', consumedUnits: 1, prepaidUnits: { enabled: 5 } },
  ])
  expect(page(await asked.get(`/users/${first}/licenseDetails`)).value).toMatchObject([
    { skuId, servicePlans: [{ ...plan, provisioningStatus: 'Disabled' }] },
  ])
  expect(page(await asked.get('/organization?$select=id,verifiedDomains')).value).toMatchObject([
    { id: tenantId, verifiedDomains: [{ name: 'contoso.example', isDefault: true }, { isInitial: true }] },
  ])
})

test('the grants of an app can be read as Entra shows them', async () => {
  const asked = askDirectory()
  const graph = await asked.get("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")
  const { appRoles } = graph.body as { appRoles: { id: string; value: string }[] }
  const own = page(await asked.get(`/servicePrincipals?$filter=appId eq '${asked.context.appId}'`)).value[0]
  const granted = page(await asked.get(`/servicePrincipals/${own?.id}/appRoleAssignments`)).value
  const names = granted.map(({ appRoleId }) => appRoles.find(({ id }) => id === appRoleId)?.value)
  expect(names).toEqual(allRoles)
})

test.each([
  ['/users', 'User.ReadBasic.All'],
  ['/users', 'Directory.Read.All'],
  ['/users/delta', 'User.Read.All'],
  ['/groups', 'Group.ReadBasic.All'],
  ['/groups/delta', 'GroupMember.Read.All'],
  ['/devices', 'Directory.Read.All'],
  ['/devices/delta', 'Device.Read.All'],
  ['/teams', 'Team.ReadBasic.All'],
  ['/subscribedSkus', 'LicenseAssignment.Read.All'],
  ['/subscribedSkus', 'Organization.Read.All'],
  ['/organization', 'User.Read.All'],
  ['/servicePrincipals', 'Application.Read.All'],
])('%s is read with %s, and not without', async (path, role) => {
  const asked = askDirectory()
  asked.roles.splice(0, Infinity, role)
  expect((await asked.get(path)).status).toBe(200)
  asked.roles.splice(0)
  expect((await asked.get(path)).status).toBe(403)
})

test.each([
  ['/users/delta', 'User.ReadBasic.All', 'Authorization_RequestDenied'],
  ['/devices/delta', 'Directory.Read.All', 'Authorization_RequestDenied'],
  ['/teams', 'Directory.Read.All', 'Forbidden'],
])('%s is not read with %s', async (path, role, wanted) => {
  const asked = askDirectory()
  asked.roles.splice(0, Infinity, role)
  const refused = await asked.get(path)
  expect([refused.status, code(refused)]).toEqual([403, wanted])
})

test('getByIds leaves out what it does not find', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const group = asked.directory.addGroup({ displayName: 'Kitchen' })
  const ask = async (body: object): Promise<unknown[]> =>
    page(await asked.post('/directoryObjects/getByIds', body)).value
  expect(await ask({ ids: [user, tenantId, group] })).toMatchObject([{ id: user }, { id: group }])
  expect(await ask({ ids: [user, group], types: ['group'] })).toMatchObject([{ id: group }])
  expect((await asked.post('/directoryObjects/getByIds', { ids: [] })).status).toBe(400)
})
