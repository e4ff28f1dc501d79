import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { operatorToken, startTestHttp, viewerToken } from '../../http/start.ts'
import { groupOf, personsOf, tenantOf } from '../world.ts'

async function startApi() {
  const http = await startTestHttp()
  const { db } = http.database
  const contoso = await tenantOf({ db }, 'Contoso')
  const persons = await personsOf({ db }, contoso, ['Adele', 'Ben', 'Cleo'])
  await groupOf(
    { db },
    contoso,
    'Engineering',
    persons.slice(0, 2).map(({ objectId }) => objectId),
  )
  const ask = async (method: string, path: string, body?: unknown, token = operatorToken) => {
    const answer = await fetch(`${http.url}/api/v1/deployments${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const written = async () =>
    (
      await sql<{
        n: number
      }>`select (select count(*) from deployments) + (select count(*) from deployment_targets)
      + (select count(*) from audit_log) as n`.execute(db)
    ).rows[0]?.n
  return { ...http, db, contoso, ask, written }
}

const file = {
  source: 'immybot.yaml',
  deployments: [
    { name: 'AutoCAD / engineers', item: 'AutoCAD', version: 2022, target: { group_name: 'Engineering' } },
    { name: 'Browser', item: 'Firefox', target: { everyone: true } },
  ],
}

test('the API previews, applies, lists, shows and removes as the commands do', async () => {
  const { ask, written, db } = await startApi()
  expect((await ask('PUT', '', file, viewerToken)).status).toBe(403)
  const preview = await ask('POST', '/preview', file)
  expect(preview).toMatchObject({
    status: 200,
    body: {
      applied: false,
      plan: { source: 'immybot.yaml', added: [{ name: 'AutoCAD / engineers' }, { name: 'Browser' }] },
      effect: { persons: { gain: 3, change: 0, lose: 0 }, tenants: [{ tenant: 'Contoso' }] },
    },
  })
  expect(await written()).toBe(0)
  const applied = await ask('PUT', '', file)
  expect(applied).toMatchObject({ status: 200, body: { applied: true, effect: { persons: { gain: 3 } } } })
  const count = await written()
  expect(await ask('PUT', '', file)).toMatchObject({
    body: { applied: true, plan: { unchanged: ['AutoCAD / engineers', 'Browser'] }, effect: { tenants: [] } },
  })
  expect(await written()).toBe(count)

  const first = await ask('GET', '?limit=1', undefined, viewerToken)
  expect(first.body).toMatchObject({
    items: [
      {
        name: 'AutoCAD / engineers',
        persons: 2,
        source: 'immybot.yaml',
        targetText: 'groups named Engineering',
      },
    ],
    nextCursor: expect.any(String) as string,
  })
  const second = await ask('GET', `?limit=1&cursor=${String(first.body['nextCursor'])}`)
  expect(second.body).toMatchObject({ items: [{ name: 'Browser', persons: 3 }], nextCursor: null })
  const path = `/${encodeURIComponent('AutoCAD / engineers')}`
  expect(await ask('GET', path, undefined, viewerToken)).toMatchObject({
    status: 200,
    body: { version: '2022', targets: [{ tenant: 'Contoso', persons: 2, computers: 0 }] },
  })
  expect(await ask('DELETE', `${path}?preview=true`)).toMatchObject({
    status: 200,
    body: { removed: false, effect: { persons: { gain: 0, change: 0, lose: 2 } } },
  })
  expect(await written()).toBe(count)
  expect(await ask('DELETE', path)).toMatchObject({ status: 200, body: { removed: true } })
  expect(await ask('GET', path)).toMatchObject({ status: 404, body: { error: 'deployment_unknown' } })
  expect(await ask('DELETE', path)).toMatchObject({ status: 404, body: { error: 'deployment_unknown' } })
  const { rows } = await sql<{ action: string }>`select action from audit_log order by audit_id`.execute(db)
  expect(rows.map(({ action }) => action)).toEqual(['deployments_applied', 'deployments_removed'])
})

test('what is wrong with a document is told by its path, all at once, and nothing is written', async () => {
  const { ask, written } = await startApi()
  const wrong = {
    deployments: [
      { name: 'A', item: 'Firefox', target: { everyone: true }, desired_state: 'instaled' },
      { name: 'B', item: 'Firefox', target: { person: 'nobody@nowhere.example' } },
    ],
  }
  const preview = await ask('POST', '/preview', wrong)
  expect(preview).toMatchObject({ status: 200, body: { applied: false, plan: null, effect: null } })
  const problems = preview.body['problems'] as { severity: string; place: { path: string } }[]
  expect(problems.map(({ severity, place }) => [severity, place.path])).toEqual([
    ['error', 'deployments[0].desired_state'],
    ['error', 'deployments[1].target.person'],
  ])
  const refused = await ask('PUT', '', wrong)
  expect(refused).toMatchObject({ status: 400, body: { error: 'deployment_file_invalid' } })
  expect(refused.body['message']).toMatch(
    /deployments\[0\]\.desired_state: .*deployments\[1\]\.target\.person: /,
  )
  expect(await ask('PUT', '', [1])).toMatchObject({ status: 400, body: { error: 'input_invalid' } })
  expect(await written()).toBe(0)
})

test("a document without a source is nobody's file, and prunes nothing", async () => {
  const { ask, db } = await startApi()
  const { source: _, ...document } = file
  expect((await ask('PUT', '', document)).status).toBe(200)
  const { rows } = await sql`select distinct source from deployments`.execute(db)
  expect(rows).toEqual([{ source: 'table' }])
  expect(await ask('PUT', '?prune=true', { deployments: [] })).toMatchObject({
    status: 400,
    body: { error: 'source_needed' },
  })
  expect(await ask('PUT', '', { ...file, source: 'table' })).toMatchObject({ status: 400 })
})
