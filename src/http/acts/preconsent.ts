import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { targetOf } from '../../consent/preconsent/preconsent.ts'
import { preflight, type Preflight } from '../../consent/preconsent/preflight.ts'
import { requestPreconsent } from '../../consent/preconsent/rows.ts'
import { listSignIns, signOut, type SignIn } from '../../consent/preconsent/sign-ins.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import { enqueuePreconsents } from '../../jobs/enqueue-preconsents.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { uuid } from '../input.ts'

export const customersInput = z.strictObject({ entraTenantIds: z.array(uuid).min(1).max(1000) })
export const preconsentInput = z.union(
  [z.strictObject({ all: z.literal(true) }), customersInput],
  'takes either all: true, or entraTenantIds with ids of customers',
)

/** A customer that pre-consent was not asked for, and why. */
export interface LeftOut {
  entraTenantId: string
  code: string
  message: string
  remedy: string | null
}

/**
 * Whether these customers can be pre-consented, by partner. Nothing is changed anywhere.
 * @throws as `preflight`; kind `input`, code `no_customer` where none of them is a customer
 */
export async function preflightOf(
  { db, preconsent }: ConsoleDeps,
  entraTenantIds: readonly string[],
  signal: AbortSignal,
): Promise<Preflight[]> {
  const { rows } = await sql<{ partner: string; ids: string[] }>`
    select partner_entra_tenant_id as partner,
      array_agg(entra_tenant_id::text order by lower(display_name), entra_tenant_id) as ids
    from entra_sync.entra_tenants
    where entra_tenant_id = any (${[...entraTenantIds]}::uuid[]) and partner_entra_tenant_id is not null
    group by 1 order by 1`.execute(db)
  if (rows.length === 0) {
    throw new EntraSyncError('input', 'None of them is an imported customer of a partner.', {
      code: 'no_customer',
      remedy: 'Import customers first; pre-consent is for those that a partner reaches by GDAP.',
    })
  }
  const found: Preflight[] = []
  for (const { partner, ids } of rows) found.push(await preflight(preconsent, partner, ids, signal))
  return found
}

/**
 * Asks for the pre-consent of customers, each in a job of its own; `all` = those that are reached and have not
 * consented. One that can't be is left out and told: it keeps no other from it.
 */
export async function preconsentNow(
  { db, jobs, preconsent }: ConsoleDeps,
  given: z.output<typeof preconsentInput>,
  actor: string,
): Promise<{ requested: string[]; left: LeftOut[] }> {
  const ids = 'all' in given ? await readUnconsented(db) : [...new Set(given.entraTenantIds)]
  const requested: string[] = []
  const left: LeftOut[] = []
  for (const entraTenantId of ids) {
    try {
      await requestPreconsent(db, await targetOf(preconsent, entraTenantId), actor)
      requested.push(entraTenantId)
    } catch (error) {
      if (!isEntraSyncError(error) || error.kind === 'database') throw error
      const { code, message, remedy = null } = error
      left.push({ entraTenantId, code, message, remedy })
    }
  }
  await enqueuePreconsents(jobs, requested, 'operator')
  return { requested, left }
}

async function readUnconsented(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select entra_tenant_id as id from entra_sync.tenant_status
    where kind = 'customer' and state not in ('gone', 'offboarded', 'disabled', 'gdap_ended')
      and consent is distinct from 'granted'
    order by lower(display_name), entra_tenant_id`.execute(db)
  return rows.map(({ id }) => id)
}

/** Forgets a partner user's sign-in. @throws kind `input`, code `sign_in_unknown` */
export async function forgetSignIn({ db }: ConsoleDeps, signInId: string, actor: string): Promise<SignIn> {
  const found = (await listSignIns(db)).find((one) => one.signInId === signInId)
  if (found === undefined) {
    throw new EntraSyncError('input', `There is no sign-in ${signInId}.`, {
      code: 'sign_in_unknown',
      remedy: 'It was forgotten already.',
    })
  }
  const { partnerEntraTenantId, userObjectId } = found
  await signOut(db, { partnerEntraTenantId, user: userObjectId, actor })
  return found
}
