import { expect, test } from 'vitest'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { createLog } from '../../src/log.ts'
import { sql } from 'kysely'
import { groupOf, personsOf, tenantOf } from '../targets/world.ts'
import { operatorToken, startTestHttp, viewerToken } from './start.ts'

async function startApi() {
  const http = await startTestHttp()
  const { db } = http.database
  const contoso = await tenantOf({ db }, 'Contoso')
  const persons = await personsOf({ db }, contoso, ['Adele', 'Ben', 'Cleo'])
  await groupOf(
    { db },
    contoso,
    'Engineering',
    persons.slice(0, 1).map(({ objectId }) => objectId),
  )
  const ask = async (method: string, path: string, body?: unknown, token = operatorToken) => {
    const answer = await fetch(`${http.url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const { rows } = await sql<{
    upn: string
  }>`select user_principal_name as upn from persons order by display_name`.execute(db)
  return { db, ask, upns: rows.map(({ upn }) => upn) }
}

test('ImmyBot feeds computers, which find their persons; all of it, or nothing', async () => {
  const { ask, upns } = await startApi()
  const computers = [
    { tenant: 'Contoso', name: 'PC-1', primary_user_principal_name: upns[0]?.toUpperCase() },
    { tenant: 'contoso', name: 'PC-2', entra_device_id: '11111111-2222-4333-8444-555555555555' },
  ]
  expect((await ask('PUT', '/computers', computers, viewerToken)).status).toBe(403)
  expect(await ask('PUT', '/computers?preview=true', computers)).toMatchObject({
    status: 200,
    body: { applied: false, added: 2, problems: [] },
  })
  expect(await ask('GET', '/computers')).toMatchObject({ body: { items: [] } })
  expect(await ask('PUT', '/computers', [...computers, { tenant: 'Nowhere', name: '' }])).toMatchObject({
    body: { applied: false, problems: [{ place: 'record 3' }] },
  })
  expect(await ask('PUT', '/computers', computers)).toMatchObject({ body: { applied: true, added: 2 } })
  expect(await ask('PUT', '/computers', computers)).toMatchObject({
    body: { applied: true, added: 0, unchanged: 2 },
  })
  expect(await ask('GET', '/computers?search=pc-1')).toMatchObject({
    body: { items: [{ name: 'PC-1', person: 'Adele', targets: 0 }], nextCursor: null },
  })
  expect(await ask('PUT', '/computers?replace=true', computers.slice(0, 1))).toMatchObject({
    body: { removed: 1 },
  })
})

test('persons are listed page by page, and take tags', async () => {
  const { ask, upns } = await startApi()
  const first = await ask('GET', '/persons?limit=2')
  expect(first.body).toMatchObject({ items: [{ name: 'Adele' }, { name: 'Ben' }] })
  const next = await ask('GET', `/persons?limit=2&cursor=${String(first.body['nextCursor'])}`)
  expect(next.body).toMatchObject({ items: [{ name: 'Cleo' }], nextCursor: null })
  const tags = [{ tenant: 'Contoso', user_principal_name: upns[1], add_tags: ['cad'] }]
  expect(await ask('PUT', '/persons', tags)).toMatchObject({ body: { applied: true, changed: 1 } })
  expect(await ask('GET', '/persons?tag=CAD')).toMatchObject({
    body: { items: [{ name: 'Ben', tags: ['cad'] }] },
  })
})

test('explain tells why and why not', async () => {
  const { ask, db, upns } = await startApi()
  await ask('PUT', '/deployments', {
    source: 'test',
    deployments: [
      {
        name: 'AutoCAD for Engineering',
        item: 'AutoCAD',
        version: 2022,
        target: { group_name: 'Engineering' },
      },
    ],
  })
  const log = createLog({ level: 'silent', pretty: false })
  await resolveTargets(
    { db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 1, log },
    { trigger: 'test' },
  )
  await ask('PUT', '/computers', [{ tenant: 'Contoso', name: 'PC-1', primary_user_principal_name: upns[0] }])
  const deployment = { name: 'AutoCAD for Engineering', version: '2022', desiredState: 'installed' }
  expect(await ask('GET', `/explain?subject=${upns[0] ?? ''}`, undefined, viewerToken)).toMatchObject({
    status: 200,
    body: {
      subject: { kind: 'person', name: 'Adele', tenant: 'Contoso' },
      items: [
        {
          item: 'AutoCAD',
          held: false,
          deployments: [{ ...deployment, verdict: 'wins', text: 'wins: in Engineering' }],
        },
      ],
    },
  })
  expect(await ask('GET', `/explain?subject=${upns[2] ?? ''}&item=autocad`)).toMatchObject({
    body: {
      items: [{ deployments: [{ ...deployment, verdict: 'not_reached', text: 'not in Engineering' }] }],
    },
  })
  expect(await ask('GET', '/explain?subject=pc-1')).toMatchObject({
    body: { primaryUser: { subject: { name: 'Adele' } }, wins: [{ item: 'AutoCAD', through: 'person' }] },
  })
  expect(await ask('GET', '/explain?subject=nobody')).toMatchObject({
    status: 404,
    body: { error: 'subject_unknown' },
  })
  expect(await ask('GET', `/explain?subject=${upns[0] ?? ''}&item=nothing`)).toMatchObject({
    status: 404,
    body: { error: 'item_unknown' },
  })
})

test('a feed that has lost its users takes nothing until it comes confirmed', async () => {
  const { db, ask, upns } = await startApi()
  const computers = Array.from({ length: 60 }, (_, n) => ({
    tenant: 'Contoso',
    name: `PC-${n}`,
    primary_user_principal_name: upns[0],
  }))
  await ask('PUT', '/computers', computers)
  await sql`insert into deployment_targets (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope,
      version, desired_state, enforcement, reason)
    select tenant_id, entra_tenant_id, 'person', person_id, gen_random_uuid(), gen_random_uuid(), 'cross_tenant', 'latest',
      'installed', 'required', '{}' from persons where user_principal_name = ${upns[0]}`.execute(db)
  const lost = computers.map((one) => ({ ...one, primary_user_principal_name: '' }))
  const body = {
    applied: false,
    changed: 60,
    losing: 60,
    tooLarge: [{ tenant: 'Contoso', losing: 60, of: 60, reason: 'over_percent' }],
  }
  expect(await ask('PUT', '/computers', lost)).toMatchObject({ status: 200, body })
  expect(await ask('PUT', '/computers', lost)).toMatchObject({ status: 200, body })
  expect(await ask('PUT', '/computers?confirmed=true', lost)).toMatchObject({
    body: { ...body, applied: true },
  })
})
