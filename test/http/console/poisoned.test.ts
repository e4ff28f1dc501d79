import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { poison } from '../../harness/poison.ts'
import { contoso, drainedGroup } from '../../holds/world.ts'
import { operatorToken, sessionOf, startTestHttp } from '../start.ts'
import { addFleet, hostile } from './fleet.ts'

test('every page shows poisoned texts as texts, under a policy that runs nothing; every list of the API is JSON', async () => {
  const { url, database, queues } = await startTestHttp()
  const { db } = database
  await addFleet(db, 12)
  await drainedGroup(db)
  await sql`insert into computers (tenant_id, name, primary_user_principal_name)
    select tenant_id, 'PC', 'user01@contoso.com' from tenants where slug = 'contoso'`.execute(db)
  await queues.sync.add(`sync-tenant ${hostile}`, { entraTenantId: contoso, requestedBy: hostile })
  const poisoned = await poison(db, hostile)
  expect(poisoned).toEqual(expect.arrayContaining(['tenants.name', 'entra_tenants.display_name']))
  const idOf = async (
    table: 'tenants' | 'deployments' | 'holds' | 'persons' | 'computers',
    column: string,
  ) => {
    const { rows } = await sql<{ id: string }>`
      select ${sql.ref(column)} as id from ${sql.table(table)} order by 1 limit 1`.execute(db)
    return rows[0]?.id ?? ''
  }
  const pages = [
    '/',
    '/customers',
    '/preconsent',
    '/tenants',
    `/tenants/${await idOf('tenants', 'tenant_id')}`,
    '/deployments',
    `/deployments/${await idOf('deployments', 'deployment_id')}`,
    '/persons',
    '/computers',
    '/problems',
    '/holds',
    `/holds/${await idOf('holds', 'hold_id')}`,
    '/audit',
    `/entra-tenants/${contoso}`,
    `/entra-tenants/${contoso}/offboard`,
    `/customers?search=${encodeURIComponent(hostile)}`,
    `/nowhere/${encodeURIComponent(hostile)}`,
  ]
  const Cookie = await sessionOf(url, operatorToken)
  let shown = 0
  for (const page of pages) {
    const answer = await fetch(url + page, { headers: { Cookie, Accept: 'text/html' } })
    const html = await answer.text()
    // What is no page is JSON, and no browser may take it for anything else.
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    if (answer.headers.get('content-type')?.startsWith('application/json')) continue
    expect({ page, raw: /<script>alert|<img src=x/i.test(html) }).toEqual({ page, raw: false })
    if (html.includes('&lt;script&gt;alert(1)')) shown += 1
    const policy = answer.headers.get('content-security-policy') ?? ''
    expect({ page, policy }).toEqual({
      page,
      policy: expect.stringMatching(/default-src 'none'|script-src 'none'|default-src 'self'/),
    })
    expect(policy).not.toContain('unsafe-inline')
  }
  expect(shown).toBeGreaterThan(8)
  for (const list of [
    'entra-tenants',
    'tenants',
    'customers',
    'deployments',
    'persons',
    'computers',
    'problems',
    'holds',
    'audit-log',
  ]) {
    const answer = await fetch(`${url}/api/v1/${list}`, {
      headers: { Authorization: `Bearer ${operatorToken}` },
    })
    if (answer.status === 404) continue
    expect({ list, type: answer.headers.get('content-type')?.split(';')[0] }).toEqual({
      list,
      type: 'application/json',
    })
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(typeof (await answer.json())).toBe('object')
  }
})
