import { expect, test } from 'vitest'
import { addUsers, askDirectory, code, origin } from './graph-asking.ts'
import type { Asked } from './graph-asking.ts'

interface Answer {
  id: string
  status: number
  headers: Record<string, string>
  body: Record<string, unknown>
}

async function batch(asked: Asked, requests: unknown[]): Promise<Answer[]> {
  const response = await asked.post('/$batch', { requests })
  expect(response.status).toBe(200)
  return (response.body as { responses: Answer[] }).responses
}

const get = (id: string, url: string, more: object = {}): object => ({ id, method: 'GET', url, ...more })

test('parts are answered one by one; links of theirs are whole', async () => {
  const asked = askDirectory()
  addUsers(asked.directory, 3)
  const [users, nobody, count] = await batch(asked, [
    get('a', '/users?$top=2&$select=id'),
    get('b', 'users/00000000-0000-4000-8000-000000000000'),
    get('c', '/users?$count=true&$top=1', { headers: { ConsistencyLevel: 'eventual' } }),
  ])
  expect(users).toMatchObject({ id: 'a', status: 200, headers: { 'x-ms-resource-unit': '1' } })
  expect(users?.body['@odata.nextLink']).toMatch(new RegExp(`^${origin}/v1\\.0/users\\?`))
  expect(nobody).toMatchObject({ status: 404, body: { error: { code: 'Request_ResourceNotFound' } } })
  expect(count?.body['@odata.count']).toBe(3)
})

test('a refusal by throttling is one part’s own', async () => {
  const asked = askDirectory()
  asked.context.admit = (part) =>
    part.path === '/groups'
      ? {
          refusal: {
            status: 429,
            headers: { 'retry-after': '7' },
            body: { error: { code: 'TooManyRequests' } },
          },
          headers: {},
        }
      : { refusal: null, headers: {} }
  const [groups, users] = await batch(asked, [get('1', '/groups'), get('2', '/users')])
  expect(groups).toMatchObject({ status: 429, headers: { 'Retry-After': '7' } })
  expect(users?.status).toBe(200)
})

test('what depends on a failed part fails with 424; order is kept', async () => {
  const asked = askDirectory()
  const [user = ''] = addUsers(asked.directory, 1)
  const answers = await batch(asked, [
    get('last', `/users/${user}`, { dependsOn: ['good'] }),
    get('good', '/organization'),
    get('bad', '/users/nobody'),
    get('fallen', '/organization', { dependsOn: ['bad'] }),
  ])
  expect(answers.map(({ id }) => id)).toEqual(['good', 'last', 'bad', 'fallen'])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 424])
})

test('what is no batch is refused whole', async () => {
  const asked = askDirectory()
  const parts = Array.from({ length: 21 }, (_, index) => get(String(index), '/users'))
  for (const requests of [
    parts,
    [get('a', '/users'), get('A', '/users')],
    [get('a', '/users', { dependsOn: ['b'] }), get('b', '/users', { dependsOn: ['a'] })],
    [get('a', '/users', { dependsOn: ['nobody'] })],
    [{ id: 'a', method: 'GET' }],
    [],
  ]) {
    const refused = await asked.post('/$batch', { requests })
    expect([refused.status, code(refused)]).toEqual([400, 'BadRequest'])
  }
  expect(await batch(asked, parts.slice(0, 20))).toHaveLength(20)
})

test('bad parts are refused alone', async () => {
  const asked = askDirectory()
  const answers = await batch(asked, [
    get('absolute', 'https://evil.example/users'),
    get('percent', '/users/%E0%A4%A'),
    get('nested', '/$batch', { method: 'POST', body: {}, headers: { 'Content-Type': 'application/json' } }),
    get('typeless', '/directoryObjects/getByIds', { method: 'POST', body: { ids: ['x'] } }),
    get('good', '/organization'),
  ])
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 200])
})
