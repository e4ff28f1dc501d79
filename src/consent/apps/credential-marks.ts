import { X509Certificate } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { readAppCertificate } from '../../config/app-certificate.ts'
import { credentialPurpose } from '../../db/app-registrations.ts'
import type { Database } from '../../db/tables.ts'
import { isEntraSyncError } from '../../errors.ts'
import type { AppCredential } from '../../graph/tokens.ts'
import type { KeyRing } from '../../key-ring.ts'
import { open, type SealedText } from '../../secrets.ts'
import type { CredentialMark, CredentialMatch } from './match-credentials.ts'

/** Characters of a secret that Graph shows as its hint. */
const hintLength = 3

/** What tells this credential from others of its app. */
export function markOf(credentialId: string, credential: AppCredential): CredentialMark {
  if ('secret' in credential) {
    const hint = credential.secret.slice(0, hintLength)
    return { credentialId, kind: 'secret', hint, thumbprints: [] }
  }
  const { fingerprint, fingerprint256 } = new X509Certificate(credential.certificate.certificatePem)
  const thumbprints = [fingerprint, fingerprint256].map((each) => each.replaceAll(':', '').toUpperCase())
  return { credentialId, kind: 'certificate', hint: null, thumbprints }
}

interface StoredRow {
  credentialId: string
  clientId: string
  kind: 'secret' | 'certificate'
  sealed: SealedText
  thumbprint: string | null
}

/** Marks of all stored credentials of an Entra tenant's own apps, by client id. They are opened, and nothing of them kept. */
export async function readMarks(
  db: Kysely<Database>,
  ring: KeyRing,
  entraTenantId: string,
): Promise<Map<string, CredentialMark[]>> {
  const { rows } = await sql<StoredRow>`
    select c.credential_id as "credentialId", r.client_id as "clientId", c.kind, c.sealed, c.thumbprint
    from entra_sync.app_credentials c join entra_sync.app_registrations r using (app_id)
    where r.entra_tenant_id = ${entraTenantId} order by c.added_at, c.credential_id`.execute(db)
  const marks = new Map<string, CredentialMark[]>()
  for (const row of rows)
    marks.set(row.clientId, [...(marks.get(row.clientId) ?? []), markOfRow(row, ring, entraTenantId)])
  return marks
}

/** One that no key opens is told by doctor; here it is only less well known. */
function markOfRow(
  { credentialId, clientId, kind, sealed, thumbprint }: StoredRow,
  ring: KeyRing,
  entraTenantId: string,
): CredentialMark {
  const unopened = { credentialId, kind, hint: null, thumbprints: thumbprint === null ? [] : [thumbprint] }
  try {
    const text = open(ring, sealed, { purpose: credentialPurpose, entraTenantId })
    if (kind === 'secret') return markOf(credentialId, { clientId, secret: text })
    const read = readAppCertificate(text)
    return 'certificate' in read
      ? markOf(credentialId, { clientId, certificate: read.certificate })
      : unopened
  } catch (error) {
    if (!isEntraSyncError(error)) throw error
    return unopened
  }
}

/** Stores what a registration tells of credentials: an end of its wins over one that was told. */
export async function storeMatches(
  db: Kysely<Database>,
  matches: ReadonlyMap<string, CredentialMatch>,
): Promise<void> {
  const list = JSON.stringify(
    [...matches].map(([id, { registered, endsAt }]) => ({ id, registered, ends_at: endsAt })),
  )
  await sql`
    update entra_sync.app_credentials c set registered = m.registered, checked_at = now(),
      expires_at = coalesce(m.ends_at, c.expires_at),
      expires_source = case when m.ends_at is null then c.expires_source else 'graph' end
    from jsonb_to_recordset(${list}::jsonb) as m (id uuid, registered boolean, ends_at timestamptz)
    where c.credential_id = m.id`.execute(db)
}
