import { sql, type Kysely } from 'kysely'
import type { ProblemFacts } from '../../db/problems.ts'
import type { Database } from '../../db/tables.ts'
import { counts, graceHours } from './relationships.ts'

/** Days before the end of the last relationship at which it becomes a problem. */
const warnDays = 30
const hourMs = 3_600_000
const topic = 'gdap'
const codes = ['gdap_ending', 'gdap_ended', 'customer_missing']

/** How a customer stands with all its partners. */
export interface GdapFacts {
  entraTenantId: string
  name: string
  now: Date
  /** As the view `gdap_status` says, grace included. */
  active: boolean
  /** Every relationship that counts has an end and is not extended. */
  allEnd: boolean
  /** Latest end of the relationships that count. */
  endsAt: Date | null
  /** Latest known end of those that do not count any more. */
  lastEndedAt: Date | null
  /** Since when the lists of all partners lack the customer; null = one names it, or none ever did. */
  missingSince: Date | null
}

/** The problems of one customer's relationships. Pure. */
export function gdapProblems(facts: GdapFacts): ProblemFacts[] {
  const problems: ProblemFacts[] = []
  if (!facts.active) problems.push(ended(facts))
  else if (facts.allEnd && facts.endsAt !== null && daysUntil(facts.endsAt, facts.now) <= warnDays)
    problems.push(ending(facts, facts.endsAt))
  if (facts.missingSince !== null) problems.push(missing(facts, facts.missingSince))
  return problems
}

function ending({ entraTenantId, name, now }: GdapFacts, endsAt: Date): ProblemFacts {
  const over = endsAt <= now
  const stop = new Date(endsAt.getTime() + graceHours * hourMs)
  return {
    code: 'gdap_ending',
    message: over
      ? `The last GDAP relationship with ${name} ended on ${day(endsAt)}; unless a renewal is found, syncing stops on ${minute(stop)}.`
      : `The last GDAP relationship with ${name} ends on ${day(endsAt)} and is not extended by itself.`,
    remedy: `Turn on auto-extend for the relationship in Partner Center, or have the customer approve a new one before; then entra-sync customers discover. To go on without GDAP: entra-sync customers detach ${entraTenantId}.`,
    whoActs: 'partner_admin',
    topic,
  }
}

function ended({ entraTenantId, name, lastEndedAt, now }: GdapFacts): ProblemFacts {
  const when = lastEndedAt !== null && lastEndedAt <= now ? `: the last one ended on ${day(lastEndedAt)}` : ''
  return {
    code: 'gdap_ended',
    message: `No GDAP relationship with ${name} is active any more${when}. Syncing was stopped by entra-sync's own decision, though the app could still read; data stays and targets are frozen.`,
    remedy: `Have the customer approve a new GDAP relationship, then entra-sync customers discover. To go on without one: entra-sync customers detach ${entraTenantId}. To part with it: entra-sync offboard ${entraTenantId}, and have the customer delete the enterprise application.`,
    whoActs: 'partner_admin',
    topic,
  }
}

function missing({ entraTenantId, name, active }: GdapFacts, since: Date): ProblemFacts {
  const means = active ? 'Its relationships still count, so it is synced.' : 'It is not synced; data stays.'
  return {
    code: 'customer_missing',
    message: `No partner's list of GDAP customers names ${name} since ${day(since)}. ${means}`,
    remedy: `Look in Partner Center whether the customer has left. If it has: entra-sync offboard ${entraTenantId}; nothing is removed by itself.`,
    whoActs: 'partner_admin',
    topic,
  }
}

const daysUntil = (at: Date, now: Date) => (at.getTime() - now.getTime()) / (24 * hourMs)
const day = (at: Date) => at.toISOString().slice(0, 10)
const minute = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`

/**
 * Opens and closes the problems `gdap_ending`, `gdap_ended` and `customer_missing` of all customers, or of one. Those of
 * Entra tenants that are no customer any more, gone or offboarded, close. Answers how many are open of what it looked at.
 */
export async function refreshGdapProblems(
  db: Kysely<Database>,
  entraTenantId: string | null = null,
): Promise<number> {
  return db.transaction().execute((trx) => refreshIn(trx, entraTenantId))
}

/** `refreshGdapProblems` in a transaction that is open already. */
export async function refreshIn(db: Kysely<Database>, entraTenantId: string | null): Promise<number> {
  // Two at once would take the rows in orders of their own and wait for each other for ever.
  await sql`select pg_advisory_xact_lock(hashtext('entra_sync.gdap_problems'))`.execute(db)
  const wanted = (await readFacts(db, entraTenantId)).flatMap((facts) =>
    gdapProblems(facts).map((problem) => ({ id: facts.entraTenantId, ...problem })),
  )
  const list = JSON.stringify(wanted)
  await sql`
    with wanted as (
      select * from jsonb_to_recordset(${list}::jsonb) as list (id uuid, code text, message text, remedy text, "whoActs" text, topic text)
    ), closed as (
      update entra_sync.problems p set closed_at = now()
      where p.closed_at is null and p.code = any (${codes}::text[])
        and (${entraTenantId}::uuid is null or p.entra_tenant_id = ${entraTenantId}::uuid)
        and not exists (select from wanted w where w.id = p.entra_tenant_id and w.code = p.code)
    )
    insert into entra_sync.problems (entra_tenant_id, code, message, remedy, who_acts, topic)
    select id, code, message, remedy, "whoActs", topic from wanted
    on conflict (entra_tenant_id, code) where closed_at is null do update set
      message = excluded.message, remedy = excluded.remedy, who_acts = excluded.who_acts, topic = excluded.topic,
      seen_at = now()`.execute(db)
  return wanted.length
}

/** Facts of the customers that may have a problem. */
async function readFacts(db: Kysely<Database>, entraTenantId: string | null): Promise<GdapFacts[]> {
  const { rows } = await sql<GdapFacts>`
    select e.entra_tenant_id as "entraTenantId", now() as now,
      coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      coalesce(g.active, false) as active, coalesce(c.all_end, false) as "allEnd", c.ends_at as "endsAt",
      c.last_ended_at as "lastEndedAt", m.since as "missingSince"
    from entra_sync.entra_tenants e
    left join entra_sync.gdap_status g using (entra_tenant_id)
    left join lateral (
      select bool_and(not r.auto_extends and r.ends_at is not null) filter (where ${counts}) as all_end,
        max(r.ends_at) filter (where ${counts}) as ends_at,
        max(least(r.ends_at, r.missing_since)) filter (where not ${counts}) as last_ended_at
      from entra_sync.gdap_relationships r
      where r.entra_tenant_id = e.entra_tenant_id and coalesce(r.display_name, '') not like 'MLT\\_%'
    ) c on true
    left join lateral (
      select case when bool_and(x.missing_since is not null) then max(x.missing_since) end as since
      from entra_sync.gdap_customers x where x.entra_tenant_id = e.entra_tenant_id
    ) m on true
    where e.partner_entra_tenant_id is not null and e.gone_at is null and e.offboarded_at is null
      and (${entraTenantId}::uuid is null or e.entra_tenant_id = ${entraTenantId}::uuid)
      and (not coalesce(g.active, false) or c.all_end or m.since is not null)
    order by e.entra_tenant_id`.execute(db)
  return rows
}
