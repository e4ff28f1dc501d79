import { sql, type Kysely, type Transaction } from 'kysely'
import { lockEntraTenant } from '../../db/entra-tenants.ts'
import type { ConsentStatus, Database } from '../../db/tables.ts'
import type { EntraSyncError } from '../../errors.ts'
import type { Findings } from './probes.ts'
import type { ProofRun } from './proof-run.ts'
import { closeAfterGrant, openForError, openForLoss } from './problems.ts'
import { nextProofMs, retryProofMs, rolesComeWithinMs, statusOf } from './verdict.ts'

/** What is stored after a proof. */
export interface Settled {
  status: ConsentStatus | null
  grantedRoles: string[]
  missingRoles: string[]
  missingOptionalRoles: string[]
  nextProofAt: Date
  /** It is granted, and reading was at rest or failing before. */
  regained: boolean
}

interface Row {
  status: ConsentStatus | null
  grantedRoles: string[]
  missingRoles: string[]
  missingOptionalRoles: string[]
  nextProofAt: Date
  /**
   * By a proof; or, where none has come to a verdict yet, because the tenant was read and no other app could have been
   * the one that read it: consent that was lost between the first sync and the first proof was at rest untold.
   */
  grantedBefore: boolean
  waitedMs: number | null
  failed: number
  superseded: boolean
  otherGranted: boolean
  readsFail: boolean
}

/**
 * Begins a proof: makes the row where there is none and, with `expectSoon`, notes that consent was given now. That is
 * written before anything is asked, so that a proof beside this one knows that roles may be late.
 */
export async function beginProof(
  db: Kysely<Database>,
  proof: Omit<ProofRun, 'startedAt'>,
  expectSoon: boolean,
): Promise<ProofRun> {
  const { entraTenantId, clientId, method, grantedBy } = proof
  const { rows } = await sql<{ startedAt: string }>`
    insert into entra_sync.consents as c (entra_tenant_id, app_id, status, waiting_since, method, granted_by, next_proof_at)
    values (${entraTenantId}, ${clientId}, null, ${expectSoon ? sql`now()` : null},
      ${expectSoon ? method : null}, ${expectSoon ? grantedBy : null}, now() + interval '10 minutes')
    on conflict (entra_tenant_id, app_id) do update set
      waiting_since = coalesce(excluded.waiting_since, c.waiting_since),
      method = coalesce(excluded.method, c.method),
      granted_by = case when excluded.waiting_since is null then c.granted_by else excluded.granted_by end
    returning clock_timestamp()::text as "startedAt"`.execute(db)
  return { ...proof, startedAt: rows[0]?.startedAt ?? new Date().toISOString() }
}

/**
 * Stores what a proof has found, in one transaction: row, problems, and the next sync where consent has come. A proof
 * that another one, begun later, has overtaken changes nothing.
 */
export function settleFindings(db: Kysely<Database>, proof: ProofRun, findings: Findings): Promise<Settled> {
  return settle(db, proof, async (trx, row) => {
    if (row.superseded) return { ...row, regained: false }
    const expecting = row.waitedMs !== null && row.waitedMs < rolesComeWithinMs
    const status = statusOf(findings, { grantedBefore: row.grantedBefore, expecting })
    const waits = status === 'waiting_for_roles'
    const granted = status === 'granted'
    const becomes = granted && row.status !== 'granted'
    // Of one that was never proved the reading goes on meanwhile, and needs no push unless it could not.
    const rested = row.status !== null || row.waitedMs !== null || row.readsFail
    const regained = becomes && rested
    const failed = granted || waits ? 0 : row.failed + 1
    const nextMs = nextProofMs(status, {
      waitedMs: row.waitedMs ?? 0,
      failed: row.failed,
      random: Math.random(),
    })
    // Whoever consented anew is on record with the new grant; of one that was found, how it was found.
    const anew = granted && row.waitedMs !== null
    const found = becomes && row.waitedMs === null
    const { rows } = await sql<{ nextProofAt: Date }>`
      update entra_sync.consents set status = ${status}, granted_roles = ${findings.granted}::text[],
        missing_roles = ${findings.missing}::text[], missing_optional_roles = ${findings.missingOptional}::text[],
        proved_at = ${proof.startedAt}::timestamptz,
        granted_at = case when ${anew || becomes} then now() else granted_at end,
        method = case when ${found} then ${proof.method} else method end,
        granted_by = case when ${found} then ${proof.grantedBy} else granted_by end,
        waiting_since = case when ${waits} then waiting_since end,
        next_proof_at = now() + make_interval(secs => ${nextMs / 1000}), proofs_failed = ${failed}
      where entra_tenant_id = ${proof.entraTenantId} and app_id = ${proof.clientId}
      returning next_proof_at as "nextProofAt"`.execute(trx)
    if (granted) await closeAfterGrant(trx, proof, row.otherGranted)
    else await openForLoss(trx, proof, status, findings, row.otherGranted)
    if (regained) {
      await sql`
        update entra_sync.entra_tenants set next_sync_at = now(), consecutive_failures = 0
        where entra_tenant_id = ${proof.entraTenantId}`.execute(trx)
    }
    return {
      status,
      grantedRoles: findings.granted,
      missingRoles: findings.missing,
      missingOptionalRoles: findings.missingOptional,
      nextProofAt: rows[0]?.nextProofAt ?? row.nextProofAt,
      regained,
    }
  })
}

/** Stores that a proof came to no verdict: the status stays, what is in its way is a problem. */
export function settleError(db: Kysely<Database>, proof: ProofRun, error: EntraSyncError): Promise<Settled> {
  return settle(db, proof, async (trx, row) => {
    if (row.superseded) return { ...row, regained: false }
    const waitedMs = row.waitedMs !== null && row.waitedMs < rolesComeWithinMs ? row.waitedMs : null
    const nextMs = retryProofMs(error, { waitedMs, failed: row.failed, random: Math.random() })
    const { rows } = await sql<{ nextProofAt: Date }>`
      update entra_sync.consents set next_proof_at = now() + make_interval(secs => ${nextMs / 1000}),
        proofs_failed = proofs_failed + 1
      where entra_tenant_id = ${proof.entraTenantId} and app_id = ${proof.clientId}
      returning next_proof_at as "nextProofAt"`.execute(trx)
    await openForError(trx, proof, error, { otherGranted: row.otherGranted, failed: row.failed })
    return { ...row, nextProofAt: rows[0]?.nextProofAt ?? row.nextProofAt, regained: false }
  })
}

/** The Entra tenant's row is locked before the consent's, as a run's end does that brings the next proof forward. */
function settle(
  db: Kysely<Database>,
  { entraTenantId, clientId, startedAt }: ProofRun,
  write: (trx: Transaction<Database>, row: Row) => Promise<Settled>,
): Promise<Settled> {
  return db.transaction().execute(async (trx) => {
    await lockEntraTenant(trx, entraTenantId)
    const { rows } = await sql<Row>`
      select status, granted_roles as "grantedRoles", missing_roles as "missingRoles",
        missing_optional_roles as "missingOptionalRoles", next_proof_at as "nextProofAt",
        granted_at is not null or (status is null and exists (select from entra_sync.entra_tenants e
            where e.entra_tenant_id = c.entra_tenant_id and e.last_synced_at is not null)
          and not exists (select from entra_sync.consents o
            where o.entra_tenant_id = c.entra_tenant_id and o.app_id <> c.app_id)) as "grantedBefore",
        proofs_failed as failed,
        (extract(epoch from now() - waiting_since) * 1000)::float8 as "waitedMs",
        coalesce(proved_at > ${startedAt}::timestamptz, false) as superseded,
        exists (select from entra_sync.consents o where o.entra_tenant_id = c.entra_tenant_id
          and o.app_id <> c.app_id and o.status = 'granted') as "otherGranted",
        (select consecutive_failures > 0 from entra_sync.entra_tenants e
          where e.entra_tenant_id = c.entra_tenant_id) as "readsFail"
      from entra_sync.consents c
      where entra_tenant_id = ${entraTenantId} and app_id = ${clientId} for update`.execute(trx)
    const [row] = rows
    // Offboarded or purged meanwhile: there is nothing to write to any more.
    if (row === undefined) {
      return {
        status: null,
        grantedRoles: [],
        missingRoles: [],
        missingOptionalRoles: [],
        nextProofAt: new Date(),
        regained: false,
      }
    }
    return write(trx, row)
  })
}
