import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { expiryProblem } from '../../../src/consent/apps/credential-expiry.ts'
import { secretCredential } from '../../../src/consent/apps/new-credential.ts'
import { setCustomLevel, setDefaultLevel } from '../../../src/consent/apps/permission-level.ts'
import { housekeeping } from '../../../src/jobs/housekeeping.ts'
import { readKeyRing } from '../../../src/key-ring.ts'
import { log } from '../cloud.ts'
import { encryptionKey } from '../own-apps.ts'

import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const now = new Date('2027-01-01T12:00:00Z')
const inDays = (days: number) => new Date(now.getTime() + days * 86_400_000)

describe('the warning', () => {
  test.each([
    [400, null],
    [60.5, null],
    [60, 'less than 60 days are left'],
    [30.1, 'less than 60 days are left'],
    [30, 'less than 30 days are left'],
    [14, 'less than 14 days are left'],
    [7, 'less than 7 days are left'],
    [1.01, 'less than 7 days are left'],
    [1, 'less than a day is left'],
    [0, 'ended on'],
    [-5, 'ended on 2026-12-27'],
  ])('%d days before the end: %s', (days, text) => {
    const end = { entraTenantId: 'an-id', name: 'X', clientId: 'an-app', endsAt: inDays(days), chosen: true }
    const problem = expiryProblem(end, now)
    if (text === null) expect(problem).toBeNull()
    else {
      expect(problem?.message).toContain(text)
      expect(problem?.remedy).toContain('entra-sync permission-level an-id custom --client-secret-file')
    }
  })

  test('none where no end is known', () => {
    expect(
      expiryProblem({ entraTenantId: '', name: '', clientId: '', endsAt: null, chosen: true }, now),
    ).toBeNull()
  })
})

describe('the problem', () => {
  const owner = randomUUID()
  let database: TestDatabase
  const read = readKeyRing(encryptionKey())
  const ring = 'ring' in read ? read.ring : []

  beforeEach(async () => {
    database = await testDatabase()
    await sql`insert into entra_tenants (entra_tenant_id) values (${owner})`.execute(database.db)
  })
  afterEach(() => database.drop())

  const add = (days: number | null, clientId: string | null = null) =>
    setCustomLevel(database.db, ring, {
      entraTenantId: owner,
      clientId,
      credential: secretCredential(
        randomUUID().slice(1),
        days === null ? null : new Date(Date.now() + days * 86_400_000),
      ),
      actor: 'test',
    })
  const keep = () =>
    housekeeping(
      { db: database.db, licenseGraceMs: 1000 },
      {
        id: '1',
        log,
        signal: new AbortController().signal,
        progress: () => {},
        updatePayload: async () => {},
      },
    )
  async function open(): Promise<string[]> {
    const { rows } = await sql<{ message: string }>`
      select message from problems where closed_at is null and code = 'credential_expiring'`.execute(
      database.db,
    )
    return rows.map(({ message }) => message)
  }

  test('opens when it is told, changes as the end comes nearer, and closes with a credential that lasts', async () => {
    await add(90, randomUUID())
    await keep()
    expect(await open()).toEqual([])
    await sql`update app_credentials set expires_at = now() + interval '20 days'`.execute(database.db)
    expect(await keep()).toMatchObject({
      result: expect.stringContaining('1 apps with credentials that end soon'),
    })
    expect(await open()).toEqual([expect.stringContaining('less than 30 days')])
    await sql`update app_credentials set expires_at = now() + interval '2 days'`.execute(database.db)
    await keep()
    expect(await open()).toEqual([expect.stringContaining('less than 7 days')])
    // One whose end nobody told is no proof of a longer life.
    await add(null)
    expect(await open()).toHaveLength(1)
    await add(365)
    expect(await open()).toEqual([])
    await keep()
    expect(await open()).toEqual([])
  })

  test('opens at once for a short-lived one, and closes when the app is no longer used', async () => {
    await add(10, randomUUID())
    expect(await open()).toHaveLength(1)
    await setDefaultLevel(database.db, { entraTenantId: owner, actor: 'test' })
    expect(await open()).toEqual([])
  })
})
