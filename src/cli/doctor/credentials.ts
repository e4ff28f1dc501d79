import { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sql, type Kysely } from 'kysely'
import type { Config } from '../../config.ts'
import { expiryProblem, readCredentialEnds } from '../../consent/apps/credential-expiry.ts'
import { checkSecrets } from '../../db/sealed-rows.ts'
import type { Database } from '../../db/tables.ts'
import { openKeyRing, type KeyRing } from '../../key-ring.ts'
import { explainFailure } from '../failure.ts'
import { counted, cut, day, fail, ok, warn, type Finding } from './finding.ts'

/** What `doctor` says of encryption keys, stored secrets, and the credentials of the apps. */
export async function checkCredentials(config: Config, db: Kysely<Database>): Promise<Finding[]> {
  const ring = await openKeyRing(config)
  return [
    ...(await encryptionKey(config, ring)),
    ...(await storedSecrets(db, ring)),
    ...(await defaultApp(config, db)),
    ...(await ends(db)),
  ]
}

async function encryptionKey(config: Config, ring: KeyRing): Promise<Finding[]> {
  const check = 'encryption key'
  const [newest, ...older] = ring
  if (newest === undefined) return [ok(check, 'none; needed to store secrets of own apps')]
  const also = older.length === 0 ? '' : `, and ${older.map(({ id }) => id).join(', ')} to open older secrets`
  const found = [ok(check, `${newest.id}${also}`)]
  if (config.encryptionKeys !== null) return found
  const file = join(config.dataDir, 'encryption-key')
  if (((await stat(file)).mode & 0o077) !== 0)
    found.push(warn(check, `others can read ${file}`, `Run chmod 600 ${file}.`))
  return found
}

async function storedSecrets(db: Kysely<Database>, ring: KeyRing): Promise<Finding[]> {
  const check = 'secrets'
  const { rows, byKey, closed } = await checkSecrets(db, ring)
  const found = closed.map(({ table, id, entraTenantId, error }): Finding => {
    const { message, remedy } = explainFailure(error).document
    const detail = `${table} ${id} of Entra tenant ${entraTenantId}: ${message}`
    return { check, verdict: 'fail', detail, ...(remedy !== undefined && { remedy }) }
  })
  // Each of them is named, even where they are many: nothing else tells which rows are lost.
  if (found.length > 0) return found
  const old = rows - (byKey[ring[0]?.id ?? ''] ?? 0)
  if (old === 0) return [ok(check, `${rows} stored, all of them open`)]
  return [warn(check, `${old} of ${rows} are sealed with an older key`, 'Run entra-sync secrets rotate.')]
}

/** Level Default needs the configured app; who gave every Entra tenant an app of its own does not. */
async function defaultApp({ defaultApp }: Config, db: Kysely<Database>): Promise<Finding[]> {
  const check = 'Default app'
  if (defaultApp !== null) {
    if (!('certificate' in defaultApp)) return []
    const endsAt = new X509Certificate(defaultApp.certificate.certificatePem).validToDate
    const now = new Date()
    const end = { entraTenantId: '', name: '', clientId: defaultApp.clientId, endsAt, chosen: true }
    const problem = expiryProblem(end, now)
    if (problem === null) return [ok(check, `certificate good until ${day(endsAt)}`)]
    const remedy = 'Register a new certificate with the app and set DEFAULT_APP_CERTIFICATE_FILE to it.'
    return [{ check, verdict: endsAt <= now ? 'fail' : 'warn', detail: problem.message, remedy }]
  }
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from entra_sync.entra_tenants e
    left join entra_sync.entra_tenants p on p.entra_tenant_id = e.partner_entra_tenant_id
    where coalesce(p.permission_level, e.permission_level) = 'default' and e.gone_at is null and e.offboarded_at is null`.execute(
    db,
  )
  const count = rows[0]?.count ?? 0
  if (count === 0) return []
  return [
    fail(
      check,
      `not configured, and ${counted(count, 'Entra tenant')} on permission level Default`,
      'Set DEFAULT_APP_CLIENT_ID and DEFAULT_APP_CERTIFICATE_FILE (or DEFAULT_APP_CLIENT_SECRET_FILE), or give them apps of their own: entra-sync permission-level ID custom.',
    ),
  ]
}

async function ends(db: Kysely<Database>): Promise<Finding[]> {
  const now = new Date()
  const bad: Finding[] = []
  const good: Date[] = []
  for (const end of await readCredentialEnds(db)) {
    const check = `credentials of ${end.name}`
    const problem = expiryProblem(end, now)
    if (end.endsAt === null) {
      const remedy = `Give it when you add the next one: entra-sync permission-level ${end.entraTenantId} custom --client-secret-file FILE --expires DATE.`
      bad.push(warn(check, 'it is not known when they end', remedy))
    } else if (problem !== null) {
      const verdict = end.endsAt <= now ? 'fail' : 'warn'
      bad.push({ check, verdict, detail: problem.message, remedy: problem.remedy })
    } else good.push(end.endsAt)
  }
  const first = good.toSorted((a, b) => a.getTime() - b.getTime())[0]
  if (first === undefined) return cut(bad)
  return [
    ok('credentials', `of ${counted(good.length, 'own app')} good until ${day(first)} at least`),
    ...cut(bad),
  ]
}
