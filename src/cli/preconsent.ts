import { sql, type Kysely } from 'kysely'
import { preflight, type Preflight } from '../consent/preconsent/preflight.ts'
import { targetOf } from '../consent/preconsent/preconsent.ts'
import { requestPreconsent } from '../consent/preconsent/rows.ts'
import type { PreconsentContext } from '../consent/preconsent/context.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import { enqueuePreconsents } from '../jobs/enqueue-preconsents.ts'
import type { Queues } from '../jobs/queues.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, withQueues, type CommandContext } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'
import { preflightLines } from './preflight-lines.ts'
import { withPreconsent } from './preconsent-context.ts'
import { printable } from './text.ts'
import { outcomeLines, watchPreconsents, type PreconsentAsked } from './watch-preconsent.ts'

export interface PreconsentRequest {
  /** What the operator typed, or all customers that have not consented. */
  customers: string[] | 'all'
  /** Only tell what is missing. */
  preflightOnly: boolean
  wait: boolean
}

/**
 * `preconsent`: tells for each customer whether it can be pre-consented, then has those that can be done by the
 * workers. Exit codes: 0 done or asked for, 1 one was not ready or failed.
 */
export function preconsent(context: CommandContext, request: PreconsentRequest): Promise<number> {
  const { output, signal } = context
  return withDatabase(context, async (db, url) => {
    const customers = await chosen(db, request.customers, context.config.defaultApp?.clientId ?? null)
    if (customers.length === 0) {
      output.line('Every customer with an active relationship has consented already.')
      output.document({ preflights: [], requested: [] })
      return 0
    }
    const { preflights, ready } = await withPreconsent(context, db, (preconsents) =>
      look(preconsents, customers, signal),
    )
    for (const line of preflightLines(preflights, output.width)) output.line(line)
    const allReady = ready.length === customers.length
    if (request.preflightOnly || ready.length === 0) {
      output.document({ preflights, requested: [] })
      return allReady ? 0 : 1
    }
    return withQueues(context, url, async (queues) => {
      const missing = (): Promise<boolean> => withoutWorker(queues)
      if (request.wait && (await missing())) throw noWorkerError()
      const asked = await ask(context, db, queues, ready)
      output.line()
      output.line(`Asked for the pre-consent of ${asked.length} of ${customers.length} customers.`)
      if (!request.wait) {
        if (await missing()) output.notice(`${noWorker} ${kept}`)
        output.document({ preflights, requested: asked })
        return allReady ? 0 : 1
      }
      const outcomes = await watchPreconsents({ db, asked, missing, noWorker: noWorkerError, output, signal })
      for (const line of outcomeLines(outcomes, output.width)) output.line(line)
      output.document({ preflights, requested: asked, outcomes })
      return allReady && outcomes.every(({ step }) => step === 'done') ? 0 : 1
    })
  })
}

const noWorker = 'No worker is running.'
const kept = 'What was asked is kept and done as soon as one does: entra-sync run.'

function noWorkerError(): EntraSyncError {
  return new EntraSyncError('queue', noWorker, { code: 'no_worker', remedy: kept })
}

async function withoutWorker(queues: Queues): Promise<boolean> {
  return (await queues.control.getWorkersCount()) === 0
}

interface Chosen {
  entraTenantId: string
  name: string
  partnerEntraTenantId: string
}

/** Those named, whatever their consent is; with --all those that have not consented to the wanted app. */
async function chosen(
  db: Kysely<Database>,
  given: string[] | 'all',
  defaultClientId: string | null,
): Promise<Chosen[]> {
  const ids =
    given === 'all'
      ? null
      : await Promise.all(given.map(async (text) => (await findEntraTenant(db, text)).entraTenantId))
  const { rows } = await sql<Omit<Chosen, 'partnerEntraTenantId'> & { partnerEntraTenantId: string | null }>`
    select t.entra_tenant_id as "entraTenantId",
      coalesce(t.display_name, t.default_domain, t.entra_tenant_id::text) as name,
      e.partner_entra_tenant_id as "partnerEntraTenantId"
    from entra_sync.tenant_status t
    join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.consent_status s using (entra_tenant_id)
    left join entra_sync.consents c on c.entra_tenant_id = t.entra_tenant_id
      and c.app_id = coalesce(s.wanted_app_id, ${defaultClientId}::uuid)
    where case when ${ids}::uuid[] is null
      then t.kind = 'customer' and t.gdap_active and t.state not in ('gone', 'offboarded', 'disabled')
        and c.status is distinct from 'granted'
      else t.entra_tenant_id = any (${ids}::uuid[]) end
    order by lower(t.display_name), t.entra_tenant_id`.execute(db)
  return rows.map(({ entraTenantId, name, partnerEntraTenantId }) => {
    if (partnerEntraTenantId === null) {
      throw new EntraSyncError('input', `${printable(name)} is no customer of a partner.`, {
        code: 'preconsent_no_customer',
        remedy: `Send an admin of the tenant a link: entra-sync consent url ${entraTenantId}.`,
        tenant: entraTenantId,
      })
    }
    return { entraTenantId, name: printable(name), partnerEntraTenantId }
  })
}

async function look(
  context: PreconsentContext,
  customers: Chosen[],
  signal: AbortSignal,
): Promise<{ preflights: Preflight[]; ready: Chosen[] }> {
  const partners = [...new Set(customers.map((one) => one.partnerEntraTenantId))]
  const preflights: Preflight[] = []
  for (const partner of partners) {
    const ids = customers
      .filter((one) => one.partnerEntraTenantId === partner)
      .map((one) => one.entraTenantId)
    preflights.push(await preflight(context, partner, ids, signal))
  }
  const good = new Set(
    preflights
      .filter((one) => one.ready)
      .flatMap((one) => one.customers.filter(({ ready }) => ready).map(({ entraTenantId }) => entraTenantId)),
  )
  return { preflights, ready: customers.filter(({ entraTenantId }) => good.has(entraTenantId)) }
}

async function ask(
  context: CommandContext,
  db: Kysely<Database>,
  queues: Queues,
  ready: Chosen[],
): Promise<PreconsentAsked[]> {
  const asked: PreconsentAsked[] = []
  await withPreconsent(context, db, async (preconsents) => {
    for (const { entraTenantId, name } of ready) {
      const target = await targetOf(preconsents, entraTenantId)
      await requestPreconsent(db, target, actorOfCommand())
      asked.push({ entraTenantId, name, clientId: target.clientId })
    }
  })
  try {
    await enqueuePreconsents(
      queues,
      asked.map(({ entraTenantId }) => entraTenantId),
      'operator',
    )
  } catch (error) {
    if (!isEntraSyncError(error, 'queue')) throw error
    // The tick takes up what stands in the table.
    context.output.notice(`${error.message} ${kept}`)
  }
  return asked
}
