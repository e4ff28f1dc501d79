import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeProblem } from '../../../src/targets/files/places.ts'
import { readDeploymentFile } from '../../../src/targets/files/read.ts'
import { resolveReferences } from '../../../src/targets/files/resolve.ts'
import type { ResolvedFile } from '../../../src/targets/files/types.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const [contoso, fabrikam, branch, split] = [id(1), id(2), id(3), id(4)]
const [contosoEntra, fabrikamEntra, splitEntra, looseEntra] = [id(11), id(12), id(13), id(14)]
const engineering = id(21)

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
  const { db } = database
  await sql`insert into tenants (tenant_id, name, slug, parent_tenant_id) values
    (${contoso}, 'Contoso', 'contoso', null), (${fabrikam}, 'Fabrikam', 'fabrikam', null),
    (${branch}, 'Fabrikam', 'branch', ${contoso}), (${split}, 'Split', 'split', null), (${id(5)}, 'Split West', 'west', null),
    (${id(6)}, 'Unlinked', 'unlinked', null)`.execute(db)
  await sql`insert into entra_tenants (entra_tenant_id, last_synced_at) values
    (${contosoEntra}, now()), (${fabrikamEntra}, now()), (${splitEntra}, null), (${looseEntra}, now())`.execute(
    db,
  )
  await sql`insert into tenant_links (tenant_id, entra_tenant_id, domain) values
    (${contoso}, ${contosoEntra}, null), (${fabrikam}, ${fabrikamEntra}, null),
    (${split}, ${splitEntra}, null), (${id(5)}, ${splitEntra}, 'west.example')`.execute(db)
  await sql`insert into groups (entra_tenant_id, object_id, display_name, kind, is_team, deleted_at) values
    (${contosoEntra}, ${engineering}, 'Engineering', 'security', false, null),
    (${contosoEntra}, ${id(22)}, 'Sales', 'security', false, null),
    (${contosoEntra}, ${id(23)}, 'sales', 'security', false, null),
    (${contosoEntra}, ${id(24)}, 'Design', 'microsoft365', true, null),
    (${contosoEntra}, ${id(25)}, 'Old', 'security', false, now()),
    (${fabrikamEntra}, ${id(26)}, 'Engineering', 'security', false, null),
    (${splitEntra}, ${id(27)}, 'Shared', 'security', false, null),
    (${looseEntra}, ${id(28)}, 'Loose', 'security', false, null)`.execute(db)
  await sql`insert into groups (entra_tenant_id, object_id, display_name, kind)
    select ${looseEntra}, gen_random_uuid(), 'Loose ' || n, 'security' from generate_series(1, 10) n`.execute(
    db,
  )
  await sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number) values
    (${contosoEntra}, ${id(31)}, 'SPE_E5'), (${contosoEntra}, ${id(32)}, 'INTUNE_A'), (${fabrikamEntra}, ${id(33)}, 'VISIOCLIENT')`.execute(
    db,
  )
  await sql`insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name) values
    (${contosoEntra}, ${id(32)}, ${id(34)}, 'INTUNE_A')`.execute(db)
  await sql`insert into persons (person_id, entra_tenant_id, object_id, tenant_id, user_principal_name, account_enabled, user_type, department, tags, deleted_at) values
    (${id(41)}, ${contosoEntra}, ${id(51)}, ${contoso}, 'Adele@contoso.com', true, 'Member', 'Sales', '{CAD}', null),
    (${id(42)}, ${contosoEntra}, ${id(52)}, ${contoso}, 'bob_x.com#EXT#@contoso.com', false, null, null, '{}', null),
    (${id(43)}, ${contosoEntra}, ${id(53)}, ${contoso}, 'gone@contoso.com', true, 'Member', null, '{}', now()),
    (${id(44)}, ${contosoEntra}, ${id(54)}, ${contoso}, 'two@contoso.com', true, 'Member', null, '{}', null),
    (${id(45)}, ${fabrikamEntra}, ${id(55)}, ${fabrikam}, 'two@contoso.com', true, 'Member', null, '{}', null),
    (${id(46)}, ${looseEntra}, ${id(56)}, null, 'loose@x.com', true, 'Member', null, '{}', null)`.execute(db)
  await sql`insert into computers (computer_id, tenant_id, name) values
    (${id(61)}, ${contoso}, 'PC-1'), (${id(62)}, ${contoso}, 'PC-2'), (${id(63)}, ${fabrikam}, 'PC-2')`.execute(
    db,
  )
  await sql`insert into maintenance_items (item_id, name, kind) values (${id(71)}, 'AutoCAD', 'software')`.execute(
    db,
  )
})
afterAll(() => database.drop())

async function resolve(text: string): Promise<ResolvedFile> {
  return resolveReferences(database.db, readDeploymentFile(text, 'd.yaml'))
}

const withTarget = (target: string, rest = ''): string =>
  `deployments:\n  - name: a\n    item: AutoCAD\n    target: { ${target} }\n${rest && `    ${rest}\n`}`

describe('round trip into the table', () => {
  test.each<[string, string, object]>([
    ['everyone: true', '', { scope: 'cross_tenant', tenant_id: null, target_type: 'everyone', target: {} }],
    ['everyone: true', 'tenant: CONTOSO', { scope: 'single_tenant', tenant_id: contoso }],
    [
      'group: Engineering',
      'tenant: contoso',
      { scope: 'single_tenant', tenant_id: contoso, target_type: 'group', target: { group_id: engineering } },
    ],
    [
      `group: ${engineering.toUpperCase()}`,
      '',
      { scope: 'single_tenant', tenant_id: contoso, target: { group_id: engineering } },
    ],
    ['team: design', 'tenant: contoso', { target_type: 'team', target: { group_id: id(24) } }],
    [
      'group_name: Engineering',
      '',
      { scope: 'cross_tenant', target_type: 'group_name', target: { name: 'Engineering' } },
    ],
    [
      "group_name: { pattern: 'Eng*' }",
      'tenant: contoso',
      { scope: 'single_tenant', target: { pattern: 'Eng*' } },
    ],
    ['license: spe_e5', '', { target_type: 'license', target: { sku_id: id(31) } }],
    [`license: ${id(34)}`, '', { target: { service_plan_id: id(34) } }],
    ['license: { plan: INTUNE_A }', '', { target: { service_plan_id: id(34) } }],
    ['license: { sku: INTUNE_A }', '', { target: { sku_id: id(32) } }],
    [
      'app_entitlement: visio_desktop',
      '',
      { target_type: 'app_entitlement', target: { entitlement: 'visio_desktop' } },
    ],
    ['tag: cad', '', { target_type: 'tag', target: { tag: 'cad' } }],
    [
      'person: adele@contoso.com',
      '',
      { scope: 'individual', tenant_id: null, target_type: 'person', target: { person_id: id(41) } },
    ],
    [
      'person: two@contoso.com',
      'tenant: contoso',
      { scope: 'individual', tenant_id: null, target: { person_id: id(44) } },
    ],
    ['computer: pc-1', '', { scope: 'individual', target_type: 'computer', target: { computer_id: id(61) } }],
    [`computer: ${id(63)}`, '', { target: { computer_id: id(63) } }],
    [
      'everyone: true',
      `exclude: [{ tag: cad }, { tag: cad }, { group: ${engineering} }, { person: two@contoso.com }, { license: SPE_E5 }]\n    tenant: contoso`,
      {
        excludes: [
          { type: 'tag', tag: 'cad' },
          { type: 'group', group_id: engineering },
          { type: 'person', person_id: id(44) },
          { type: 'license', sku_id: id(31) },
        ],
      },
    ],
    [
      'everyone: true',
      "filters: { enabled: any, guests: only, departments: [Sales, cad, sales], domains: ['@Contoso.com'] }",
      {
        filters: { accounts: 'any', guests: 'only', departments: ['cad', 'sales'], domains: ['contoso.com'] },
      },
    ],
    ['everyone: true', 'filters: { enabled: true, guests: exclude }', { filters: {} }],
    [
      'everyone: true',
      'version: 1.10',
      {
        version: '1.10',
        source: 'd.yaml',
        desired_state: 'installed',
        enforcement: 'required',
        enabled: true,
        rank: 100,
      },
    ],
  ])('%s %s', async (target, rest, expected) => {
    const { deployments, items, problems } = await resolve(withTarget(target, rest))
    expect(problems).toEqual([])
    expect(items).toEqual([{ name: 'AutoCAD', kind: 'software', itemId: id(71) }])
    const [first] = deployments
    if (first === undefined) throw new Error('nothing resolved')
    const { item, place, ...columns } = first
    expect(item).toBe('AutoCAD')
    expect([place.line, place.path]).toEqual([2, 'deployments[0]'])
    expect(columns).toMatchObject(expected)

    const { target: keys, excludes, filters, ...plain } = columns
    const row = await database.db
      .insertInto('deployments')
      .values({
        ...plain,
        item_id: id(71),
        target: JSON.stringify(keys),
        excludes: JSON.stringify(excludes),
        filters: JSON.stringify(filters),
      })
      .returningAll()
      .executeTakeFirstOrThrow()
    await database.db.deleteFrom('deployments').where('deployment_id', '=', row.deployment_id).execute()
    expect(row).toMatchObject(columns)
  })
})

describe('names that are not what they seem', () => {
  const unknown = id(99)
  test.each<[string, string, string[]]>([
    [
      'everyone: true',
      'tenant: contosso',
      ['d.yaml:5:13: error: There is no tenant "contosso". Did you mean Contoso or contoso?'],
    ],
    [
      'everyone: true',
      'tenant: Fabrikam',
      [
        `d.yaml:5:13: error: "Fabrikam" means 2 tenants: fabrikam (${fabrikam}), branch (${branch}). Use the slug or the id.`,
      ],
    ],
    [
      'group: Enginering',
      'tenant: contoso',
      ['d.yaml:4:22: error: There is no group "Enginering" in Contoso. Did you mean Engineering?'],
    ],
    [
      'group: Nobody',
      'tenant: split',
      ['d.yaml:4:22: error: There is no group "Nobody" in Split. It has not been synced yet.'],
    ],
    [
      'group: X',
      'tenant: unlinked',
      ['d.yaml:4:22: error: Unlinked is linked to no Entra tenant, so it has no groups. Link it first.'],
    ],
    [
      'group: Sales',
      'tenant: contoso',
      [
        `d.yaml:4:22: error: Contoso has 2 groups named "Sales": ${id(22)}, ${id(23)}. Use the object id of one, or group_name for all of them.`,
      ],
    ],
    [
      `group: ${unknown}`,
      '',
      [
        `d.yaml:4:22: error: No group has the object id ${unknown}. Groups are known from the first sync of their tenant on.`,
      ],
    ],
    [
      `group: ${id(28)}`,
      '',
      [
        `d.yaml:4:22: error: The group Loose is in the Entra tenant ${looseEntra}, to which no tenant is linked. Link one first.`,
      ],
    ],
    [
      `group: ${id(27)}`,
      '',
      [
        `d.yaml:4:22: error: The group Shared is in the Entra tenant ${splitEntra}, to which several are linked: Split, Split West. Add tenant with one of them.`,
      ],
    ],
    [
      `group: ${id(26)}`,
      'tenant: contoso',
      [
        'd.yaml:4:22: error: The group "Engineering" belongs to Fabrikam, not to Contoso or a tenant below it. Change or remove tenant.',
      ],
    ],
    [
      'everyone: true',
      `tenant: contoso\n    exclude: [{ group: ${id(26)} }]`,
      [
        'd.yaml:6:24: error: The group "Engineering" belongs to Fabrikam, not to Contoso or a tenant below it. Nobody there is reached anyway: remove it.',
      ],
    ],
    [
      'team: Engineering',
      'tenant: contoso',
      ['d.yaml:4:21: error: The group "Engineering" has no Team. Use group instead of team.'],
    ],
    [
      'group: Old',
      'tenant: contoso',
      [
        'd.yaml:4:22: warning: The group "Old" is deleted. The deployment keeps the targets that it has and gives no new ones.',
      ],
    ],
    [
      'group_name: Sales',
      '',
      [
        `d.yaml:4:27: warning: Contoso has several groups named "Sales" (${id(22)}, ${id(23)}). The members of all of them count.`,
      ],
    ],
    [
      'group_name: Sales',
      'tenant: fabrikam',
      ['d.yaml:4:27: warning: No tenant that this deployment reaches has a group named "Sales" now.'],
    ],
    [
      "group_name: 'Eng*'",
      '',
      [
        'd.yaml:4:27: warning: "Eng*" is taken as a name, letter by letter. Is { pattern: "Eng*" } meant?',
        'd.yaml:4:27: warning: No tenant that this deployment reaches has a group named "Eng*" now.',
      ],
    ],
    [
      "group_name: { pattern: 'l*' }",
      '',
      [`d.yaml:4:27: warning: "l*" fits all 11 groups of the Entra tenant ${looseEntra}.`],
    ],
    [
      'license: SPE_E6',
      '',
      ['d.yaml:4:24: error: No tenant has a SKU or service plan "SPE_E6". Did you mean SPE_E5?'],
    ],
    [
      'license: INTUNE_A',
      '',
      [
        `d.yaml:4:24: error: "INTUNE_A" means 2 things: plan ${id(34)}, sku ${id(32)}. Write { sku: "INTUNE_A" } or { plan: "INTUNE_A" }.`,
      ],
    ],
    [
      `license: ${unknown}`,
      '',
      [
        `d.yaml:4:24: warning: No tenant has the SKU ${unknown}. It is taken for a SKU; for a service plan write { plan: … }.`,
      ],
    ],
    [
      'license: VISIOCLIENT',
      'tenant: contoso',
      ['d.yaml:4:24: warning: No tenant that this deployment reaches has the SKU VISIOCLIENT now.'],
    ],
    [
      'license: OFFICE_BUSINESS',
      '',
      [
        'd.yaml:4:24: warning: No tenant that this deployment reaches has the service plan OFFICE_BUSINESS now.',
      ],
    ],
    [
      'app_entitlement: visio',
      '',
      ['d.yaml:4:32: error: There is no app entitlement "visio". Did you mean visio_desktop?'],
    ],
    ['tag: cadd', '', ['d.yaml:4:20: warning: No person has the tag "cadd" now. Did you mean cad?']],
    [
      'person: x@y.z',
      '',
      ['d.yaml:4:23: error: There is no person "x@y.z". Use the user principal name or the person id.'],
    ],
    [
      'person: two@contoso.com',
      '',
      [
        `d.yaml:4:23: error: "two@contoso.com" means 2 persons: ${id(44)} (Contoso), ${id(45)} (Fabrikam). Use the id of one, or add tenant.`,
      ],
    ],
    [
      'person: adele@contoso.com',
      'tenant: branch',
      [
        'd.yaml:4:23: error: Adele@contoso.com belongs to Contoso, not to Fabrikam or a tenant below it. Change or remove tenant.',
      ],
    ],
    [
      "person: 'bob_x.com#EXT#@contoso.com'",
      '',
      [
        'd.yaml:4:23: warning: bob_x.com#EXT#@contoso.com is disabled; filters: { enabled: any } lets it in. It gets nothing.',
        'd.yaml:4:23: warning: bob_x.com#EXT#@contoso.com is a guest; filters: { guests: include } lets it in. It gets nothing.',
      ],
    ],
    [
      'person: adele@contoso.com',
      'filters: { departments: [Law], domains: [x.com] }',
      [
        'd.yaml:4:23: warning: Adele@contoso.com is in none of filters.departments. It gets nothing.',
        'd.yaml:4:23: warning: Adele@contoso.com is in none of filters.domains. It gets nothing.',
      ],
    ],
    [
      'person: gone@contoso.com',
      '',
      ['d.yaml:4:23: warning: gone@contoso.com is deleted. It gets nothing until it is back.'],
    ],
    [
      'person: loose@x.com',
      '',
      ['d.yaml:4:23: warning: loose@x.com belongs to no tenant: no link takes it. It gets nothing.'],
    ],
    [
      'computer: pc-2',
      '',
      [
        `d.yaml:4:25: error: "pc-2" means 2 computers: ${id(62)} (Contoso), ${id(63)} (Fabrikam). Use the id of one, or add tenant.`,
      ],
    ],
    [
      'computer: pc-1',
      'filters: { guests: include }',
      ['d.yaml:5:14: warning: No filter applies to one computer.'],
    ],
  ])('%s %s', async (target, rest, expected) => {
    const { problems, deployments } = await resolve(withTarget(target, rest))
    expect(problems.map(describeProblem)).toEqual(expected)
    expect(deployments).toHaveLength(problems.some(({ severity }) => severity === 'error') ? 0 : 1)
  })

  test('items: kinds, those of no deployment, those that are only used', async () => {
    const { items, problems } = await resolve(`items:
  - { name: autocad, kind: task }
  - { name: Cleanup, kind: task }
  - { name: Later }
deployments:
  - { name: a, item: cleanup, target: { everyone: true } }
  - { name: b, item: AutoCADs, target: { everyone: true } }
  - { name: c, item: Visio, target: { everyone: true } }
`)
    expect(problems.map(describeProblem)).toEqual([
      'd.yaml:2:5: warning: No deployment has the item autocad.',
      'd.yaml:2:28: error: AutoCAD is known as software. Remove kind, or give this item another name.',
      'd.yaml:4:5: warning: No deployment has the item Later.',
      'd.yaml:7:22: warning: There is no item "AutoCADs" yet: it is made as software. Or is AutoCAD meant?',
    ])
    expect(items).toEqual([
      { name: 'AutoCAD', kind: 'software', itemId: id(71) },
      { name: 'Cleanup', kind: 'task', itemId: null },
      { name: 'Later', kind: 'software', itemId: null },
      { name: 'AutoCADs', kind: 'software', itemId: null },
      { name: 'Visio', kind: 'software', itemId: null },
    ])
  })

  test('problems of the text and of its names come together, in order', async () => {
    const { problems } = await resolve(
      withTarget('tag: cad', 'tenant: nowhere') +
        '    rank: x\n  - { name: b, item: AutoCAD, tenant: nowhere, target: { tag: cad } }\n',
    )
    expect(problems.map(({ place, code }) => [place.line, code])).toEqual([
      [6, 'value_wrong'],
      [7, 'tenant_unknown'],
    ])
  })
})

test('a long file takes no more queries than a short one', async () => {
  const kinds = [
    'group: Engineering',
    'group_name: Engineering',
    'license: SPE_E5',
    'tag: cad',
    'person: adele@contoso.com',
    'computer: pc-1',
    'app_entitlement: visio_desktop',
  ]
  const fileOf = (times: number): string =>
    `deployments:\n${Array.from({ length: times }, (_, n) => kinds.map((kind, at) => `  - { name: ${n}-${at}, item: AutoCAD, tenant: contoso, target: { ${kind} } }\n`).join('')).join('')}`
  const counts: number[] = []
  for (const times of [1, 100]) {
    let queries = 0
    const counting = database.db.withPlugin({
      transformQuery: ({ node }) => {
        queries += 1
        return node
      },
      transformResult: async ({ result }) => result,
    })
    const { deployments, problems } = await resolveReferences(
      counting,
      readDeploymentFile(fileOf(times), 'd.yaml'),
    )
    expect(problems).toEqual([])
    expect(deployments).toHaveLength(times * kinds.length)
    counts.push(queries)
  }
  expect(counts[0]).toBeGreaterThan(5)
  expect(counts[1]).toBe(counts[0])
})
