import { createHash, randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { apiPath, apiRoutes } from '../../../src/http/api/serve.ts'
import { defaultClientId, jobsOf, operatorToken, startTestHttp, viewerToken } from '../start.ts'
import { addFleet, hostile } from './fleet.ts'

interface Asked {
  token?: string | null
  body?: unknown
}

function asking(url: string) {
  return async (method: string, path: string, { token = operatorToken, body }: Asked = {}) => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        ...(token !== null && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
}

async function startApi(customers = 3) {
  const http = await startTestHttp()
  const fleet = await addFleet(http.database.db, customers)
  return { ...http, ...fleet, ask: asking(http.url) }
}

const concrete = (path: string): string => apiPath + path.replace(/\{\w+\}/g, randomUUID())

describe('the document', () => {
  test('has every route that is served, and no other', async () => {
    const { ask } = await startApi()
    const { status, body } = await ask('GET', '/api/openapi.json', { token: viewerToken })
    expect(status).toBe(200)
    expect(body).toMatchObject({ openapi: '3.1.0', info: { title: 'entra-sync' } })
    const paths = body['paths'] as Record<string, Record<string, { operationId: string }>>
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(documented.sort()).toEqual(
      apiRoutes.map(({ method, path }) => `${method} ${apiPath}${path}`).sort(),
    )
    const names = Object.values(paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    )
    expect(new Set(names).size).toBe(names.length)
  })

  test('names every parameter of its paths, and resolves every reference', async () => {
    const { ask } = await startApi()
    const { body } = await ask('GET', '/api/openapi.json')
    const text = JSON.stringify(body)
    const schemas = (body['components'] as { schemas: Record<string, unknown> }).schemas
    const wanted = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name)
    expect(wanted.length).toBeGreaterThan(0)
    expect(wanted.filter((name) => !((name as string) in schemas))).toEqual([])
    expect(text).not.toContain('$defs')
    const paths = body['paths'] as Record<
      string,
      Record<string, { parameters: { name: string; in: string }[] }>
    >
    for (const [path, methods] of Object.entries(paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      for (const { parameters } of Object.values(methods))
        expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(named)
    }
  })
})

describe('who may', () => {
  test('every route is refused without a token', async () => {
    const { url } = await startTestHttp()
    for (const { method, path } of apiRoutes) {
      const answer = await fetch(url + concrete(path), {
        method: method.toUpperCase(),
        headers: { Origin: url },
      })
      expect({ method, path, status: answer.status }).toEqual({ method, path, status: 401 })
    }
  })

  test('every route that acts is refused to a viewer, who changes nothing', async () => {
    const { ask, database } = await startApi()
    const before = await state(database.db)
    const acting = apiRoutes.filter(({ method }) => method !== 'get')
    expect(acting.length).toBeGreaterThan(5)
    for (const { method, path } of acting) {
      const answer = await ask(method.toUpperCase(), concrete(path), { token: viewerToken, body: {} })
      expect({ method, path, status: answer.status }).toEqual({ method, path, status: 403 })
      expect(answer.body).toMatchObject({ error: 'forbidden', remedy: expect.any(String) })
    }
    expect(await state(database.db)).toBe(before)
  })
})

async function state(db: Parameters<typeof addFleet>[0]): Promise<string> {
  const { rows } = await sql`select (select json_agg(e order by entra_tenant_id) from entra_tenants e) as e,
    (select json_agg(a order by audit_id) from audit_log a) as a, (select count(*) from app_credentials) as c`.execute(
    db,
  )
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex')
}

describe('reading', () => {
  test('pages through all Entra tenants by cursor, each once', async () => {
    const { ask, customers, partner } = await startApi(12)
    const seen: string[] = []
    let cursor: string | null = ''
    let pages = 0
    while (cursor !== null) {
      const query = new URLSearchParams({ limit: '5', ...(cursor !== '' && { cursor }) })
      const { status, body } = await ask('GET', `${apiPath}/entra-tenants?${query.toString()}`)
      expect(status).toBe(200)
      const page = body as unknown as { items: { entraTenantId: string }[]; nextCursor: string | null }
      seen.push(...page.items.map(({ entraTenantId }) => entraTenantId))
      cursor = page.nextCursor
      pages += 1
    }
    expect(pages).toBe(3)
    expect([...seen].sort()).toEqual([...customers, partner].sort())
  })

  test('problems and audit go on where they were, too', async () => {
    const { ask, database, customers } = await startApi(2)
    await sql`insert into problems (entra_tenant_id, code, message, remedy, who_acts)
      select ${customers[1]}, 'code_' || n, 'm', 'r', 'operator' from generate_series(1, 5) as n`.execute(
      database.db,
    )
    await sql`insert into audit_log (actor, action) select 'a', 'b' || n from generate_series(1, 5) as n`.execute(
      database.db,
    )
    for (const [path, key] of [
      ['problems', 'problemId'],
      ['audit', 'auditId'],
    ] as const) {
      const seen: unknown[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const query = new URLSearchParams({ limit: '4', ...(cursor !== '' && { cursor }) })
        const { body } = await ask('GET', `${apiPath}/${path}?${query.toString()}`)
        const page = body as unknown as { items: Record<string, unknown>[]; nextCursor: string | null }
        seen.push(...page.items.map((item) => item[key]))
        cursor = page.nextCursor
      }
      expect(new Set(seen).size).toBe(6)
      expect(seen).toHaveLength(6)
    }
  })

  test('searches by name, domain and id, and takes signs for themselves', async () => {
    const { ask, customers } = await startApi(12)
    const found = async (search: string) =>
      (
        (await ask('GET', `${apiPath}/entra-tenants?search=${encodeURIComponent(search)}`))
          .body as unknown as {
          items: { entraTenantId: string }[]
        }
      ).items.map(({ entraTenantId }) => entraTenantId)
    expect(await found('CONTOSO 0007')).toEqual([customers[6]])
    expect(await found('contoso7.exa')).toEqual([customers[6]])
    expect(await found(customers[6]?.slice(0, 13) ?? '')).toEqual([customers[6]])
    expect(await found('%')).toEqual([])
    expect(await found("'; drop table x; --")).toEqual([])
  })

  test('one Entra tenant is told whole', async () => {
    const { ask, customers, partner } = await startApi()
    const { status, body } = await ask('GET', `${apiPath}/entra-tenants/${customers[0]?.toUpperCase()}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      entraTenantId: customers[0],
      displayName: hostile,
      kind: 'customer',
      state: 'problem',
      consent: 'granted',
      links: [{ domain: null, name: hostile }],
      relationships: [{ partnerEntraTenantId: partner, partner: 'Northwind MSP', status: 'active' }],
      runs: [{ outcome: 'failed', errorCode: 'graph_403' }],
    })
  })

  test('what is wrong is refused with code and remedy', async () => {
    const { ask } = await startApi()
    const foreign = Buffer.from('["a","b","c"]').toString('base64url')
    for (const [path, status, error] of [
      [`/entra-tenants/${randomUUID()}`, 404, 'entra_tenant_unknown'],
      ['/entra-tenants/contoso', 400, 'input_invalid'],
      ['/entra-tenants?cursor=abc', 400, 'input_invalid'],
      [`/problems?cursor=${foreign}`, 400, 'input_invalid'],
      ['/audit?limit=100000', 400, 'input_invalid'],
      ['/entra-tenants?filter=drop', 400, 'input_invalid'],
    ] as const) {
      expect({ path, ...(await ask('GET', apiPath + path)) }).toMatchObject({
        path,
        status,
        body: { error, message: expect.any(String), remedy: expect.any(String) },
      })
    }
  })
})

describe('acting', () => {
  test('a sync is asked for, in the mode that is wanted', async () => {
    const { ask, queues, partner, database } = await startApi()
    const path = `${apiPath}/entra-tenants/${partner}/sync`
    expect(await ask('POST', path)).toMatchObject({ status: 202, body: { entraTenantId: partner } })
    expect((await ask('POST', path, { body: { mode: 'full' } })).status).toBe(202)
    expect((await jobsOf(queues.sync)).map(({ name }) => name)).toEqual(['sync-tenant', 'sync-tenant'])
    const row = await database.db.selectFrom('sync_requests').selectAll().executeTakeFirstOrThrow()
    expect(row).toMatchObject({ mode: 'full', requested_by: [expect.stringMatching(/^operator /)] })
    expect(await ask('POST', path, { body: { mode: 'half' } })).toMatchObject({ status: 400 })
    expect(await ask('POST', path, { body: { surprise: 1 } })).toMatchObject({ status: 400 })
    expect(await ask('POST', path, { body: '{not json' })).toMatchObject({ status: 400 })
  })

  test('pause and resume, with their audit', async () => {
    const { ask, partner, database } = await startApi()
    const paused = () =>
      database.db
        .selectFrom('entra_tenants')
        .select('paused_at')
        .where('entra_tenant_id', '=', partner)
        .executeTakeFirstOrThrow()
    await ask('POST', `${apiPath}/entra-tenants/${partner}/pause`)
    expect((await paused()).paused_at).toBeInstanceOf(Date)
    await ask('POST', `${apiPath}/entra-tenants/${partner}/resume`)
    expect((await paused()).paused_at).toBeNull()
    const { body } = await ask('GET', `${apiPath}/audit?entraTenantId=${partner}`)
    expect(body['items']).toMatchObject([{ action: 'resume' }, { action: 'pause' }])
  })

  test('level Custom with a secret that is never told again, a second one beside it, and back', async () => {
    const { ask, partner, customers, database } = await startApi()
    const path = `${apiPath}/entra-tenants/${partner}`
    const clientId = randomUUID()
    const secret = 'canary-secret-8Q~abcdefgh'
    expect(await ask('POST', `${path}/credentials`, { body: { kind: 'secret', secret } })).toMatchObject({
      status: 409,
      body: { error: 'level_default' },
    })
    const set = await ask('PUT', `${path}/permission-level`, {
      body: { level: 'custom', clientId, credential: { kind: 'secret', secret, expiresAt: '2100-01-01' } },
    })
    expect(set).toMatchObject({
      status: 200,
      body: {
        level: 'custom',
        wantedClientId: clientId,
        redirectUri: 'http://localhost:8080/consent-callback',
      },
    })
    const second = await ask('POST', `${path}/credentials`, {
      body: { kind: 'secret', secret: `${secret}2` },
    })
    expect(second.status).toBe(201)
    const seen = await ask('GET', `${path}/permission-level`)
    expect(seen.body['credentials']).toHaveLength(2)
    expect(JSON.stringify([set, second, seen])).not.toContain('canary')
    expect(await ask('GET', `${apiPath}/entra-tenants/${customers[0]}/permission-level`)).toMatchObject({
      body: { level: 'custom', wantedClientId: clientId, partnerEntraTenantId: partner },
    })
    const credentials = seen.body['credentials'] as { credentialId: string }[]
    const [first, last] = credentials.map(({ credentialId }) => `${path}/credentials/${credentialId}`)
    expect((await ask('DELETE', first ?? '')).status).toBe(200)
    expect(await ask('DELETE', first ?? '')).toMatchObject({
      status: 404,
      body: { error: 'credential_unknown' },
    })
    expect(await ask('DELETE', last ?? '')).toMatchObject({ status: 409, body: { error: 'credential_last' } })
    expect(await ask('PUT', `${path}/permission-level`, { body: { level: 'default' } })).toMatchObject({
      body: { level: 'default', wantedClientId: defaultClientId, credentials: [] },
    })
    const log = await database.db.selectFrom('audit_log').select('detail').execute()
    expect(JSON.stringify(log)).not.toContain('canary')
  })

  test('a customer has no level of its own', async () => {
    const { ask, customers } = await startApi()
    const path = `${apiPath}/entra-tenants/${customers[0]}/permission-level`
    expect(await ask('PUT', path, { body: { level: 'default' } })).toMatchObject({
      status: 409,
      body: { error: 'follows_partner' },
    })
  })

  test('a refused secret is not repeated in the answer', async () => {
    const { ask, partner } = await startApi()
    const path = `${apiPath}/entra-tenants/${partner}/permission-level`
    for (const credential of [
      { kind: 'secret', secret: 'canary\nsecond line' },
      { kind: 'secret', secret: 'canary', more: 'canary' },
      { kind: 'certificate', pem: 'canary' },
      { kind: 'canary' },
      'canary',
    ]) {
      const { status, body } = await ask('PUT', path, {
        body: { level: 'custom', clientId: randomUUID(), credential },
      })
      expect(status).toBe(400)
      expect(JSON.stringify(body)).not.toContain('canary')
    }
  })

  test('problems are silenced by code and heard again', async () => {
    const { ask } = await startApi()
    const path = `${apiPath}/problem-silences`
    expect(await ask('POST', path, { body: {} })).toMatchObject({ status: 400 })
    expect(await ask('POST', path, { body: { code: 'graph_403', until: '2020-01-01' } })).toMatchObject({
      status: 400,
      body: { error: 'silence_over' },
    })
    expect(await ask('POST', path, { body: { code: 'graph_403', reason: 'known' } })).toMatchObject({
      body: { silenced: 1 },
    })
    const { body } = await ask('GET', path)
    const [one] = body['items'] as { silenceId: string }[]
    expect(one).toMatchObject({ code: 'graph_403', entraTenantId: null, problems: 1, reason: 'known' })
    expect((await ask('GET', `${apiPath}/problems?silenced=true`)).body['items']).toHaveLength(1)
    expect((await ask('DELETE', `${path}/${one?.silenceId}`)).status).toBe(200)
    expect((await ask('GET', `${apiPath}/problems?silenced=true`)).body['items']).toEqual([])
    expect(await ask('DELETE', `${path}/${one?.silenceId}`)).toMatchObject({
      status: 404,
      body: { error: 'silence_unknown' },
    })
  })

  test('customers are discovered and imported', async () => {
    const { ask, queues, partner, database } = await startApi()
    expect(await ask('POST', `${apiPath}/customers/discover`)).toMatchObject({
      status: 202,
      body: { partners: [{ entraTenantId: partner }] },
    })
    expect((await jobsOf(queues.control)).map(({ name }) => name)).toEqual(['discover-customers'])
    const { body } = await ask('GET', `${apiPath}/customers`)
    const items = body['items'] as { entraTenantId: string; imported: boolean }[]
    const fresh = items.find(({ imported }) => !imported)?.entraTenantId ?? ''
    const path = `${apiPath}/customers/import`
    expect(await ask('POST', path, { body: { entraTenantIds: [fresh] } })).toMatchObject({
      status: 409,
      body: { error: 'gdap_not_active' },
    })
    await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values ('fresh', ${partner}, ${fresh}, 'active')`.execute(database.db)
    expect(await ask('POST', path, { body: { entraTenantIds: [fresh] } })).toMatchObject({
      status: 200,
      body: { imported: [fresh], already: [] },
    })
    expect((await jobsOf(queues.sync)).map(({ data }) => data)).toMatchObject([{ entraTenantId: fresh }])
    expect(await ask('POST', path, { body: {} })).toMatchObject({ status: 400 })
  })

  test('a customer becomes the tenant that it is proposed for, or one that is named', async () => {
    const { ask, partner, database } = await startApi()
    const [one, other] = [randomUUID(), randomUUID()]
    await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name)
      values (${partner}, ${one}, 'Fabrikam'), (${partner}, ${other}, 'Tailspin')`.execute(database.db)
    await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values ('one', ${partner}, ${one}, 'active'), ('other', ${partner}, ${other}, 'active')`.execute(
      database.db,
    )
    const { rows } = await sql<{ id: string }>`
      insert into tenants (name, slug) values ('Fabrikam', 'fabrikam'), ('Another', 'another')
      returning tenant_id as id`.execute(database.db)
    const [fabrikam, another] = rows.map(({ id }) => id)
    const path = `${apiPath}/customers/import`
    expect(await ask('POST', path, { body: { entraTenantIds: [one] } })).toMatchObject({
      status: 409,
      body: { error: 'tenant_matches' },
    })
    const proposed = { entraTenantIds: [one], matching: 'use_proposals' }
    expect(await ask('POST', path, { body: proposed })).toMatchObject({
      body: { imported: [one], linked: [{ tenantId: fabrikam, by: 'name' }] },
    })
    expect(await ask('POST', path, { body: { entraTenantIds: [other], into: another } })).toMatchObject({
      body: { imported: [other], linked: [{ tenantId: another, by: 'operator' }] },
    })
  })

  test('an Entra tenant is offboarded as planned, and resumed', async () => {
    const { ask, customers, partner } = await startApi()
    const path = `${apiPath}/entra-tenants/${customers[1]}`
    expect(await ask('GET', `${path}/offboard`)).toMatchObject({
      status: 200,
      body: { plan: { name: 'Contoso 0002', offboardedAt: null }, apps: [defaultClientId] },
    })
    expect(await ask('POST', `${path}/offboard`)).toMatchObject({
      status: 200,
      body: { stopped: { before: false }, purged: null },
    })
    expect(await ask('POST', `${path}/sync`)).toMatchObject({
      status: 409,
      body: { error: 'tenant_not_scheduled' },
    })
    expect(await ask('POST', `${path}/resume`)).toMatchObject({ body: { reinstated: true } })
    expect(await ask('POST', `${apiPath}/entra-tenants/${partner}/offboard`)).toMatchObject({
      status: 409,
      body: { error: 'offboard_msp' },
    })
  })

  test('customers are paged, and detached after a preview that changes nothing', async () => {
    const { ask, customers, partner } = await startApi(5)
    const seen: unknown[] = []
    let cursor: unknown = null
    do {
      const query = new URLSearchParams({
        limit: '4',
        ...(typeof cursor === 'string' && { cursor }),
      })
      const { body } = await ask('GET', `${apiPath}/customers?${query.toString()}`)
      seen.push(...(body['items'] as { entraTenantId: string }[]).map(({ entraTenantId }) => entraTenantId))
      cursor = body['nextCursor']
    } while (cursor !== null)
    expect(new Set(seen).size).toBe(6)
    const path = `${apiPath}/customers/${customers[0]}/detach`
    for (const _ of [1, 2])
      expect(await ask('GET', path)).toMatchObject({ status: 200, body: { partnerEntraTenantId: partner } })
    expect(await ask('POST', path)).toMatchObject({ status: 200, body: { entraTenantId: customers[0] } })
    expect(await ask('POST', path)).toMatchObject({ status: 409, body: { error: 'not_a_customer' } })
  })
})
