import { sql } from 'kysely'
import type { Consent } from '../../db/tables.ts'
import { counted, idOf, namesOf, ok, warn, type DoctorContext, type Finding, type Named } from './finding.ts'

interface ConsentRow extends Named {
  consent: Consent | null
  missing: string[] | null
}

/** What `doctor` says of consent, Entra tenant by Entra tenant, in a line for each status. */
export async function checkConsent({ db }: DoctorContext): Promise<Finding[]> {
  const { rows } = await sql<ConsentRow>`
    select s.entra_tenant_id as id, coalesce(s.display_name, s.default_domain, s.entra_tenant_id::text) as name,
      c.consent, c.missing_roles as missing
    from entra_sync.tenant_status s join entra_sync.consent_status c using (entra_tenant_id)
    where s.state not in ('gone', 'offboarded', 'disabled') order by s.kind = 'customer', 2`.execute(db)
  const of = (status: Consent | null): ConsentRow[] => rows.filter(({ consent }) => consent === status)
  const found = (
    ['required', 'revoked', 'insufficient', 'other_app', 'waiting_for_roles', null] as const
  ).flatMap((status) => {
    const group = of(status)
    return group.length === 0 ? [] : [finding(status, group)]
  })
  const granted = of('granted').length
  return granted === 0 ? found : [ok('consent', `${counted(granted, 'Entra tenant')} granted`), ...found]
}

function finding(status: Exclude<Consent, 'granted'> | null, rows: ConsentRow[]): Finding {
  const id = idOf(rows)
  const say = (text: string, remedy: string): Finding =>
    warn('consent', `${text} ${counted(rows.length, 'Entra tenant')}: ${namesOf(rows)}`, remedy)
  const ask = `Send the link of entra-sync consent url ${id} to an admin there, or run entra-sync preconsent ${id}.`
  switch (status) {
    case 'required':
      return say('not given by', ask)
    case 'revoked':
      return say('taken back by', `Ask there why. ${ask}`)
    case 'insufficient': {
      const missing = [...new Set(rows.flatMap((row) => row.missing ?? []))].toSorted().join(', ')
      const registration = `Check that the app registration lists ${missing === '' ? 'every permission' : missing}, then have it consented to again.`
      return say('permissions missing in', `${registration} ${ask}`)
    }
    case 'other_app':
      return say(
        'given to another app than the permission level says by',
        `That one is used meanwhile. ${ask}`,
      )
    case 'waiting_for_roles':
      return say(
        'given, permissions not live yet in',
        `Nothing to do for some minutes: it is proved again by itself. entra-sync consent verify ${id} looks now.`,
      )
    case null:
      return say('not proved yet in', `The daemon proves it; entra-sync consent verify ${id} does it now.`)
  }
}

interface SignInRow extends Named {
  user: string | null
  refusedAt: Date | null
  stale: boolean
}

/** What `doctor` says of the partner users who signed in for pre-consent, and of pre-consents that failed. */
export async function checkPreconsent({ db }: DoctorContext): Promise<Finding[]> {
  const check = 'partner sign-ins'
  const { rows } = await sql<SignInRow>`
    select s.partner_entra_tenant_id as id, coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      coalesce(s.user_principal_name, s.user_object_id::text) as user, s.refused_at as "refusedAt",
      s.refreshed_at < now() - interval '90 days' as stale
    from entra_sync.partner_sign_ins s join entra_sync.entra_tenants e on e.entra_tenant_id = s.partner_entra_tenant_id
    order by 2, 3`.execute(db)
  const users = (some: SignInRow[]): string =>
    namesOf(some.map(({ user, name }) => ({ name: `${user} (${name})` })))
  // Another user of the same partner who is signed in serves as well.
  const good = rows.filter((row) => row.refusedAt === null && !row.stale)
  const bad = rows.filter((row) => !good.includes(row) && !good.some(({ id }) => id === row.id))
  const found: Finding[] = []
  if (good.length > 0) found.push(ok(check, users(good)))
  if (bad.length > 0) {
    const remedy = 'Have the partner user sign in again: entra-sync preconsent --help tells how.'
    found.push(warn(check, `Microsoft takes these no more: ${users(bad)}`, remedy))
  }
  if (rows.length === 0) found.push(ok(check, 'none; needed for pre-consent only'))
  return [...found, ...(await preconsents(db))]
}

async function preconsents(db: DoctorContext['db']): Promise<Finding[]> {
  const check = 'pre-consent'
  const { rows } = await sql<Named & { failed: boolean; message: string | null; remedy: string | null }>`
    select p.entra_tenant_id as id, coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      p.step = 'failed' as failed, p.error_message as message, p.error_remedy as remedy
    from entra_sync.preconsents p join entra_sync.entra_tenants e using (entra_tenant_id)
    where (p.step = 'failed' or p.finished_at is null) and e.gone_at is null and e.offboarded_at is null
    order by p.finished_at desc nulls last, 2`.execute(db)
  const failed = rows.filter((row) => row.failed)
  const under = rows.length - failed.length
  const found = under === 0 ? [] : [ok(check, `${counted(under, 'customer')} under way`)]
  const [first] = failed
  if (first === undefined) return found
  const detail = `failed for ${counted(failed.length, 'customer')}: ${namesOf(failed)}; ${first.name}: ${first.message ?? 'no reason is recorded'}`
  const again = `Then run entra-sync preconsent ${idOf(failed)} again.`
  return [...found, warn(check, detail, first.remedy === null ? again : `${first.remedy} ${again}`)]
}
