import { sql, type Kysely } from 'kysely'
import { keyIdOf, open, seal } from '../secrets.ts'
import type { KeyRing } from '../key-ring.ts'
import { credentialPurpose } from './app-registrations.ts'
import type { Database } from './tables.ts'

/** A column with sealed texts, which are bound to the Entra tenant of their row. */
export interface SealedColumn {
  table: string
  id: string
  column: string
  purpose: string
  /** The column with that Entra tenant. */
  tenant: string
}

/** What the refresh token of a partner user is bound to, beside the partner. */
export const partnerSignInPurpose = 'partner-sign-in'
/** What the PKCE code verifier of a sign-in under way is bound to, beside the partner. */
export const codeVerifierPurpose = 'code-verifier'

/** All of them: what is not in this list is neither rotated nor checked. */
export const sealedColumns: readonly SealedColumn[] = [
  {
    table: 'app_credentials',
    id: 'credential_id',
    column: 'sealed',
    purpose: credentialPurpose,
    tenant: 'entra_tenant_id',
  },
  {
    table: 'partner_sign_ins',
    id: 'sign_in_id',
    column: 'sealed',
    purpose: partnerSignInPurpose,
    tenant: 'partner_entra_tenant_id',
  },
  {
    table: 'partner_sign_in_requests',
    id: 'request_id',
    column: 'sealed',
    purpose: codeVerifierPurpose,
    tenant: 'partner_entra_tenant_id',
  },
]

interface SealedRow {
  id: string
  entraTenantId: string
  sealed: string
}

/** A row that no key of the ring opens. */
export interface ClosedRow {
  table: string
  id: string
  entraTenantId: string
  /** null = what is there is no sealed text at all. */
  keyId: string | null
  error: unknown
}

export interface Rotation {
  /** Sealed anew with the newest key. */
  resealed: number
  /** Sealed with the newest key already. */
  current: number
  closed: ClosedRow[]
}

/** Rows a transaction. */
const defaultBatch = 200

/**
 * Seals every row anew that is not sealed with the newest key of `ring`, in batches of one transaction each: broken
 * off, it goes on where it was, since a row tells its key. A row that no key opens stays as it is, and is told.
 */
export async function rotateSecrets(
  db: Kysely<Database>,
  ring: KeyRing,
  { signal, batch = defaultBatch }: { signal?: AbortSignal; batch?: number } = {},
): Promise<Rotation> {
  const newest = ring[0]?.id ?? ''
  const rotation: Rotation = { resealed: 0, current: 0, closed: [] }
  for (const column of sealedColumns) {
    let after: string | null = null
    do {
      signal?.throwIfAborted()
      after = await db.transaction().execute(async (trx) => {
        const rows = await readRows(trx, column, after, batch, true)
        for (const row of rows) {
          const binding = { purpose: column.purpose, entraTenantId: row.entraTenantId }
          const opened = tryOpen(ring, column, row)
          if (typeof opened !== 'string') rotation.closed.push(opened)
          else if (keyIdOf(row.sealed) === newest) rotation.current += 1
          else {
            await sql`update ${sql.table(`entra_sync.${column.table}`)}
              set ${sql.ref(column.column)} = ${seal(ring, opened, binding)}
              where ${sql.ref(column.id)} = ${row.id}`.execute(trx)
            rotation.resealed += 1
          }
        }
        return rows.length < batch ? null : (rows.at(-1)?.id ?? null)
      })
    } while (after !== null)
  }
  return rotation
}

/** Tries to open every sealed row: how many there are by key id, and those that do not open. */
export async function checkSecrets(
  db: Kysely<Database>,
  ring: KeyRing,
): Promise<{ rows: number; byKey: Record<string, number>; closed: ClosedRow[] }> {
  const closed: ClosedRow[] = []
  const byKey: Record<string, number> = {}
  let count = 0
  for (const column of sealedColumns) {
    let after: string | null = null
    do {
      const rows: SealedRow[] = await readRows(db, column, after, defaultBatch, false)
      for (const row of rows) {
        count += 1
        const keyId = keyIdOf(row.sealed) ?? 'none'
        byKey[keyId] = (byKey[keyId] ?? 0) + 1
        const opened = tryOpen(ring, column, row)
        if (typeof opened !== 'string') closed.push(opened)
      }
      after = rows.length < defaultBatch ? null : (rows.at(-1)?.id ?? null)
    } while (after !== null)
  }
  return { rows: count, byKey, closed }
}

function tryOpen(ring: KeyRing, { table, purpose }: SealedColumn, row: SealedRow): string | ClosedRow {
  const { id, entraTenantId, sealed } = row
  try {
    return open(ring, sealed, { purpose, entraTenantId })
  } catch (error) {
    return { table, id, entraTenantId, keyId: keyIdOf(sealed), error }
  }
}

async function readRows(
  db: Kysely<Database>,
  { table, id, column, tenant }: SealedColumn,
  after: string | null,
  batch: number,
  lock: boolean,
): Promise<SealedRow[]> {
  const { rows } = await sql<SealedRow>`
    select ${sql.ref(id)} as id, ${sql.ref(tenant)} as "entraTenantId", ${sql.ref(column)} as sealed
    from ${sql.table(`entra_sync.${table}`)}
    where ${after}::uuid is null or ${sql.ref(id)} > ${after}::uuid
    order by ${sql.ref(id)} limit ${batch} ${lock ? sql`for update` : sql``}`.execute(db)
  return rows
}
