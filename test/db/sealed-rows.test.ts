import { randomBytes, randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { credentialPurpose } from '../../src/db/app-registrations.ts'
import { checkSecrets, rotateSecrets, sealedColumns } from '../../src/db/sealed-rows.ts'
import { readKeyRing, type KeyRing } from '../../src/key-ring.ts'
import { open, seal } from '../../src/secrets.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'

const owner = randomUUID()
const binding = { purpose: credentialPurpose, entraTenantId: owner }
let database: TestDatabase
let appId = ''

beforeEach(async () => {
  database = await testDatabase()
  await sql`insert into entra_tenants (entra_tenant_id) values (${owner})`.execute(database.db)
  const { rows } = await sql<{ id: string }>`
    insert into app_registrations (entra_tenant_id, client_id) values (${owner}, ${randomUUID()})
    returning app_id as id`.execute(database.db)
  appId = rows[0]?.id ?? ''
})
afterEach(() => database.drop())

function key(): KeyRing {
  const read = readKeyRing(randomBytes(32).toString('base64'))
  if ('wrong' in read) throw new Error(read.wrong)
  return read.ring
}

async function store(ring: KeyRing, secret: string): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    insert into app_credentials (app_id, entra_tenant_id, kind, sealed)
    values (${appId}, ${owner}, 'secret', ${seal(ring, secret, binding)}) returning credential_id as id`.execute(
    database.db,
  )
  return rows[0]?.id ?? ''
}

async function secrets(ring: KeyRing): Promise<string[]> {
  const { rows } = await sql<{ sealed: string }>`select sealed from app_credentials`.execute(database.db)
  return rows.map(({ sealed }) => open(ring, sealed, binding)).toSorted()
}

test('every column of sealed texts in the schema is in the list', async () => {
  const { rows } = await sql<{ table: string; column: string }>`
    select conrelid::regclass::text as table, a.attname::text as column
    from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
    where c.contype = 'c' and pg_get_constraintdef(c.oid) like '%sealed1:%'`.execute(database.db)
  expect(rows.length).toBeGreaterThan(0)
  for (const row of rows) expect(sealedColumns).toContainEqual(expect.objectContaining(row))
})

test('rotation seals all rows anew, batch by batch; afterwards the old key is not needed', async () => {
  const [old, newest] = [key(), key()]
  for (let n = 10; n < 35; n++) await store(old, `secret ${n}`)
  await store(newest, 'secret 99')
  const before = await secrets([...newest, ...old])
  expect(await rotateSecrets(database.db, [...newest, ...old], { batch: 4 })).toEqual({
    resealed: 25,
    current: 1,
    closed: [],
  })
  expect(await secrets(newest)).toEqual(before)
  expect(await rotateSecrets(database.db, newest)).toEqual({ resealed: 0, current: 26, closed: [] })
  expect(await checkSecrets(database.db, newest)).toEqual({
    rows: 26,
    byKey: { [newest[0]?.id ?? '']: 26 },
    closed: [],
  })
})

test('broken off between batches it goes on where it was, and nothing is lost', async () => {
  const [old, newest] = [key(), key()]
  for (let n = 10; n < 20; n++) await store(old, `secret ${n}`)
  const ring = [...newest, ...old]
  let checks = 0
  const signal = {
    throwIfAborted() {
      checks += 1
      if (checks === 3) throw new Error('stop')
    },
  } as AbortSignal
  await expect(rotateSecrets(database.db, ring, { batch: 2, signal })).rejects.toThrow('stop')
  expect(await secrets(ring)).toHaveLength(10)
  expect(await rotateSecrets(database.db, ring, { batch: 2 })).toEqual({
    resealed: 6,
    current: 4,
    closed: [],
  })
  expect(await secrets(newest)).toHaveLength(10)
})

test('a row that no key opens is told with its key and stays as it is', async () => {
  const [lost, old, newest] = [key(), key(), key()]
  const id = await store(lost, 'lost')
  await store(old, 'kept')
  const before = await sql<{
    sealed: string
  }>`select sealed from app_credentials where credential_id = ${id}`.execute(database.db)
  const told = {
    table: 'app_credentials',
    id,
    entraTenantId: owner,
    keyId: lost[0]?.id,
    error: expect.objectContaining({ code: 'secret_key_unknown' }),
  }
  const ring = [...newest, ...old]
  expect((await checkSecrets(database.db, ring)).closed).toEqual([told])
  expect(await rotateSecrets(database.db, ring)).toEqual({ resealed: 1, current: 0, closed: [told] })
  expect(
    (await sql`select sealed from app_credentials where credential_id = ${id}`.execute(database.db)).rows,
  ).toEqual(before.rows)
})
