import { expect, test } from 'vitest'
import { addUsers, askDirectory, code, origin, page, pages, round } from './graph-asking.ts'

const usersStart = '/users/delta?$select=id,displayName,jobTitle'
const groupsStart = '/groups/delta?$select=id,displayName,members'
const day = 86_400_000

test('a first round tells what is set, page by page, and ends with a delta link', async () => {
  const asked = askDirectory()
  addUsers(asked.directory, 450)
  const read = await pages(asked, usersStart)
  expect(read.map(({ value }) => value.length)).toEqual([200, 200, 50])
  expect(read[0]?.['@odata.nextLink']).toMatch(/^https:\/\/localhost:4711\/v1\.0\/users\/delta\?\$skiptoken=/)
  expect(read[0]?.['@odata.context']).toBe(`${origin}/v1.0/$metadata#users(id,displayName,jobTitle)`)
  expect(Object.keys(read[0] ?? {})).not.toContain('@odata.deltaLink')
  expect(read[2]?.['@odata.deltaLink']).toMatch(/\/users\/delta\?\$deltatoken=/)
  // A property that was never set is absent.
  expect(Object.keys(read[0]?.value[0] ?? {})).toEqual(['id', 'displayName'])
})

test('a later round tells changes of tracked properties only; cleared is null', async () => {
  const asked = askDirectory()
  const [first = '', second = '', third = ''] = addUsers(asked.directory, 3)
  asked.directory.updateUser(first, { jobTitle: 'Chef' })
  let { deltaLink } = await round(asked, usersStart)
  asked.directory.updateUser(first, { jobTitle: null })
  asked.directory.updateUser(second, { department: 'Kitchen' })
  asked.directory.setLicenses(third, [{ skuId: '05e9a617-0261-4cee-bb44-138d3ef5d965', disabledPlans: [] }])
  const { value, deltaLink: next } = await round(asked, deltaLink)
  expect(value).toEqual([{ id: first, displayName: 'User 00000', jobTitle: null }])
  deltaLink = next
  asked.directory.updateUser(second, { displayName: 'Other' })
  const minimal = await round(asked, deltaLink, { headers: { prefer: 'return=minimal' } })
  expect(minimal.value).toEqual([{ id: second, displayName: 'Other' }])
  expect((await round(asked, minimal.deltaLink)).value).toEqual([])
})

test('licences surface, a change of their sources alone does not', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const license = { skuId: '05e9a617-0261-4cee-bb44-138d3ef5d965', disabledPlans: [] }
  const { deltaLink } = await round(asked, '/users/delta?$select=id,assignedLicenses,licenseAssignmentStates')
  asked.directory.setLicenses(user, [license])
  const given = await round(asked, deltaLink)
  expect(given.value).toMatchObject([{ id: user, assignedLicenses: [license] }])
  asked.directory.setLicenses(user, [{ ...license, assignedByGroup: '2e5807ce-58f3-4a94-9b37-000000000057' }])
  const moved = await round(asked, given.deltaLink)
  expect(moved.value).toEqual([])
  asked.directory.setLicenses(user, [])
  expect((await round(asked, moved.deltaLink)).value).toMatchObject([{ assignedLicenses: [] }])
})

test('users leave twice, softly and for good; restored ones are told anew', async () => {
  const asked = askDirectory()
  const [first = '', second = ''] = addUsers(asked.directory, 2)
  let { deltaLink } = await round(asked, usersStart)
  const next = async (): Promise<unknown> => {
    const told = await round(asked, deltaLink)
    deltaLink = told.deltaLink
    return told.value
  }
  asked.directory.deleteUser(first)
  expect(await next()).toEqual([{ id: first, '@removed': { reason: 'changed' } }])
  asked.directory.restoreUser(first)
  asked.directory.deleteUser(second)
  asked.directory.purgeUser(second)
  expect(await next()).toEqual([
    { id: first, displayName: 'User 00000' },
    { id: second, '@removed': { reason: 'deleted' } },
  ])
  expect(asked.directory.restoreUser(second)).toBe(false)
})

test('members come as a diff, and not at all where nothing changed', async () => {
  const asked = askDirectory()
  const [first = '', second = ''] = addUsers(asked.directory, 2)
  const group = asked.directory.addGroup({ displayName: 'Kitchen' })
  asked.directory.addMember(group, first)
  const empty = asked.directory.addGroup({ displayName: 'Empty' })
  const start = await round(asked, groupsStart)
  expect(start.value).toEqual([
    {
      id: group,
      displayName: 'Kitchen',
      'members@delta': [{ '@odata.type': '#microsoft.graph.user', id: first }],
    },
    { id: empty, displayName: 'Empty' },
  ])
  asked.directory.removeMember(group, first)
  asked.directory.addMember(group, second)
  asked.directory.updateGroup(empty, { displayName: 'Still empty' })
  const told = await round(asked, start.deltaLink)
  expect(told.value.find(({ id }) => id === empty)).toEqual({ id: empty, displayName: 'Still empty' })
  const diff = told.value.find(({ id }) => id === group)?.['members@delta'] as { id: string }[]
  expect(diff.sort((left) => (left.id === first ? -1 : 1))).toEqual([
    { '@odata.type': '#microsoft.graph.user', id: first, '@removed': { reason: 'deleted' } },
    { '@odata.type': '#microsoft.graph.user', id: second },
  ])
})

test('soft-deleted users stay members, and groups tell nothing of a purge', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const group = asked.directory.addGroup({ displayName: 'Kitchen' })
  asked.directory.addMember(group, user)
  const start = await round(asked, groupsStart)
  asked.directory.deleteUser(user)
  expect(asked.directory.truth().members).toHaveLength(1)
  asked.directory.purgeUser(user)
  expect(asked.directory.truth().members).toHaveLength(0)
  expect((await round(asked, start.deltaLink)).value).toEqual([])
})

test('security groups go for good; Microsoft 365 groups come back with all their members', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const security = asked.directory.addGroup({ displayName: 'Security' })
  const unified = asked.directory.addGroup({ displayName: 'Unified', groupTypes: ['Unified'] })
  for (const group of [security, unified]) asked.directory.addMember(group, user)
  const start = await round(asked, groupsStart)
  for (const group of [security, unified]) asked.directory.deleteGroup(group)
  const gone = await round(asked, start.deltaLink)
  expect(gone.value).toEqual([
    { id: security, '@removed': { reason: 'deleted' } },
    { id: unified, '@removed': { reason: 'changed' } },
  ])
  for (const group of [security, unified]) asked.directory.restoreGroup(group)
  expect((await round(asked, gone.deltaLink)).value).toEqual([
    {
      id: unified,
      displayName: 'Unified',
      'members@delta': [{ '@odata.type': '#microsoft.graph.user', id: user }],
    },
  ])
})

test('a large group is spread over pages, with others between', async () => {
  const asked = askDirectory({ knobs: { splitMembers: 10, pageSize: 3 } })
  const large = asked.directory.addGroup({ displayName: 'Large' })
  for (const user of addUsers(asked.directory, 95)) asked.directory.addMember(large, user)
  for (let index = 0; index < 8; index += 1) asked.directory.addGroup({ displayName: `Small ${index}` })
  const read = await pages(asked, groupsStart)
  const parts = read.flatMap(({ value }) => value).filter(({ id }) => id === large)
  expect(parts).toHaveLength(10)
  const members = parts.flatMap((part) => part['members@delta'] as { id: string }[])
  expect(new Set(members.map(({ id }) => id)).size).toBe(95)
  expect(read[0]?.value.map(({ id }) => id)).toContain(large)
  expect(read[0]?.value).toHaveLength(3)
})

test('hidden members need a role of their own', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const board = asked.directory.addGroup({ displayName: 'Board', visibility: 'HiddenMembership' })
  asked.directory.addMember(board, user)
  asked.roles.splice(asked.roles.indexOf('Member.Read.Hidden'), 1)
  expect((await round(asked, groupsStart)).value).toEqual([{ id: board, displayName: 'Board' }])
  expect(page(await asked.get(`/groups/${board}/members`)).value).toEqual([])
  asked.roles.push('Member.Read.Hidden')
  expect((await round(asked, groupsStart)).value[0]).toHaveProperty('members@delta')
  expect(page(await asked.get(`/groups/${board}/members`)).value).toHaveLength(1)
})

test('deltatoken=latest tells nothing of what was, and all that comes', async () => {
  const asked = askDirectory()
  addUsers(asked.directory, 3)
  const latest = page(await asked.get('/users/delta?$deltatoken=latest&$select=id,displayName'))
  expect(latest.value).toEqual([])
  const fresh = asked.directory.addUser({ displayName: 'Fresh' })
  expect((await round(asked, latest['@odata.deltaLink'] ?? '')).value).toEqual([
    { id: fresh, displayName: 'Fresh' },
  ])
})

test('delta takes a $filter by ids and ignores $top, and refuses all else', async () => {
  const asked = askDirectory()
  const [first = '', , third = ''] = addUsers(asked.directory, 5)
  const wanted = `/users/delta?$select=id&$filter=id eq '${first}' or id eq '${third}'`
  expect((await round(asked, wanted)).value).toEqual([{ id: first }, { id: third }])
  expect((await round(asked, `${usersStart}&$top=2`)).value).toHaveLength(5)
  for (const option of [
    '$expand=manager',
    '$orderby=displayName',
    '$search="displayName:x"',
    "$filter=startswith(displayName,'x')",
  ]) {
    const refused = await asked.get(`/users/delta?${option}`)
    expect([option, refused.status, code(refused)]).toEqual([option, 400, 'Request_UnsupportedQuery'])
  }
  const group = asked.directory.addGroup({ displayName: 'Kitchen' })
  asked.directory.addMember(group, first)
  expect((await round(asked, '/groups/delta?$expand=members')).value[0]).toHaveProperty('members@delta')
})

test('a delta token lives seven days, then Graph begins anew; a page token an hour', async () => {
  const asked = askDirectory()
  addUsers(asked.directory, 300)
  const { deltaLink } = await round(asked, usersStart)
  const first = page(await asked.get(usersStart))
  asked.clock.now += 2 * 3_600_000
  expect(code(await asked.get(first['@odata.nextLink'] ?? ''))).toBe('Directory_ExpiredPageToken')
  asked.clock.now += 7 * day
  const gone = await asked.get(deltaLink)
  expect([gone.status, code(gone)]).toEqual([410, 'syncStateNotFound'])
  expect(gone.headers['location']).toMatch(
    /\/v1\.0\/users\/delta\?\$select=id,displayName,jobTitle&\$deltatoken=$/,
  )
  expect((await round(asked, gone.headers['location'] ?? '')).value).toHaveLength(300)
})

test('knobs refuse tokens, and say that they did', async () => {
  const asked = askDirectory({ knobs: { pageSize: 1 } })
  addUsers(asked.directory, 2)
  const { deltaLink } = await round(asked, usersStart)
  asked.knobs.expiredDeltaToken = 400
  expect(await asked.get(deltaLink)).toMatchObject({
    status: 400,
    body: { error: { code: 'syncStateNotFound' } },
  })
  asked.knobs.expiredDeltaToken = 410
  expect((await asked.get(deltaLink)).status).toBe(410)
  asked.knobs.expiredPageToken = true
  const next = page(await asked.get(usersStart))['@odata.nextLink'] ?? ''
  expect(code(await asked.get(next))).toBe('Directory_ExpiredPageToken')
  expect(asked.applied).toEqual(['expiredDeltaToken', 'expiredDeltaToken', 'expiredPageToken'])
})

test('garbled, foreign and misplaced tokens are bad requests', async () => {
  const asked = askDirectory({ knobs: { pageSize: 1 } })
  addUsers(asked.directory, 2)
  asked.directory.addGroup({ displayName: 'Kitchen' })
  const { deltaLink } = await round(asked, usersStart)
  const token = new URL(deltaLink).searchParams.get('$deltatoken') ?? ''
  for (const link of [
    '/users/delta?$deltatoken=nonsense',
    `/users/delta?$deltatoken=${token.slice(0, -3)}`,
    `/users/delta?$skiptoken=${token}`,
    `/groups/delta?$deltatoken=${token}`,
  ]) {
    const refused = await asked.get(link)
    expect([link, refused.status, code(refused)]).toEqual([link, 400, 'Request_BadRequest'])
  }
})

test('links and bodies can be poisoned', async () => {
  const asked = askDirectory({ knobs: { pageSize: 1, foreignNextLink: 'https://evil.example' } })
  addUsers(asked.directory, 2)
  expect(page(await asked.get(usersStart))['@odata.nextLink']).toMatch(
    /^https:\/\/evil\.example\/v1\.0\/users\/delta\?/,
  )
  asked.knobs.foreignNextLink = null
  const next = page(await asked.get(usersStart))['@odata.nextLink'] ?? ''
  asked.knobs.nextLinkLoop = true
  expect(page(await asked.get(next))['@odata.nextLink']).toBe(next)
  asked.knobs.nextLinkLoop = false
  asked.knobs.valueNotArray = true
  expect(Array.isArray(page(await asked.get(usersStart)).value)).toBe(false)
  asked.knobs.valueNotArray = false
  asked.knobs.reduced = ['users']
  expect(page(await asked.get(usersStart)).value).toEqual([
    {
      '@odata.type': '#microsoft.graph.user',
      id: expect.any(String) as string,
      displayName: null,
      jobTitle: null,
    },
  ])
})

test('late changes are in no answer until their time has come', async () => {
  const asked = askDirectory()
  const [first = ''] = addUsers(asked.directory, 2)
  asked.directory.settle()
  const start = await round(asked, usersStart)
  asked.knobs.lateMs = 5000
  asked.directory.updateUser(first, { jobTitle: 'Chef' })
  asked.directory.addUser({ displayName: 'Late' })
  const early = await round(asked, start.deltaLink)
  expect(early.value).toEqual([])
  expect((await round(asked, usersStart)).value).toHaveLength(2)
  expect(page(await asked.get('/users')).value).toHaveLength(2)
  asked.clock.now += 5000
  expect((await round(asked, early.deltaLink)).value.map(({ displayName }) => displayName)).toEqual([
    'User 00000',
    'Late',
  ])
  expect(page(await asked.get('/users')).value).toHaveLength(3)
})
