import { sql } from 'kysely'
import { readFreeze } from '../../db/fleet-freeze.ts'
import { readFreshness } from '../../db/freshness.ts'
import { listProblems, type ListedProblem } from '../../db/problems.ts'
import { entryOfCode, fillRemedy, whoText } from '../../error-catalogue/catalogue.ts'
import { age } from '../text.ts'
import {
  counted,
  cut,
  fail,
  idOf,
  namesOf,
  ok,
  warn,
  type DoctorContext,
  type Finding,
  type Named,
} from './finding.ts'

/** What `doctor` says of open problems, code by code; silenced ones apart. */
export async function checkProblems({ db }: DoctorContext): Promise<Finding[]> {
  const check = 'problems'
  const open = await listProblems(db)
  const silenced = open.filter((problem) => problem.silenced)
  const byCode = Map.groupBy(
    open.filter((problem) => !problem.silenced),
    ({ code }) => code,
  )
  const found = [...byCode]
    .toSorted(([, a], [, b]) => b.length - a.length)
    .map(([code, rows]) => ofCode(code, rows))
  const aside = silenced.length === 0 ? '' : `${silenced.length} silenced`
  if (found.length === 0) return [ok(check, aside === '' ? 'none is open' : `none is open but ${aside}`)]
  return [...cut(found), ...(aside === '' ? [] : [ok(check, aside)])]
}

function ofCode(code: string, rows: ListedProblem[]): Finding {
  const [first] = rows
  const since = age(first?.opened_at ?? null, new Date())
  const entry = entryOfCode(code)
  const message = rows.length === 1 ? (first?.message ?? '') : (entry?.what ?? first?.message ?? '')
  const remedy =
    rows.length === 1 || entry === undefined ? (first?.remedy ?? '') : fillRemedy(entry, { tenant: 'ID' })
  const who = first === undefined ? '' : `${whoText[first.who_acts]}: `
  return warn('problems', `${code} for ${since} at ${namesOf(rows)}: ${message}`, `${who}${remedy}`)
}

/** What `doctor` says of removals that wait for an operator. */
export async function checkHolds({ db }: DoctorContext): Promise<Finding[]> {
  const { rows } = await sql<Named & { holds: number }>`
    select entra_tenant_id as id, coalesce(display_name, default_domain, entra_tenant_id::text) as name, holds::int as holds
    from entra_sync.tenant_status where holds > 0 order by 2`.execute(db)
  const freeze = await readFreeze(db)
  const frozen =
    freeze === null
      ? []
      : [
          fail(
            'holds',
            `all removals are frozen since ${freeze.startedAt.toISOString()}: ${freeze.reason}`,
            'Find out why so much was held (entra-sync holds list), then end the freeze: entra-sync holds unfreeze.',
          ),
        ]
  if (rows.length === 0) return freeze === null ? [ok('holds', 'none is open')] : frozen
  const count = rows.reduce((sum, { holds }) => sum + holds, 0)
  return [
    ...frozen,
    warn(
      'holds',
      `${counted(count, 'set')} of removals kept back at ${namesOf(rows)}`,
      `Nothing in them is removed before somebody approves it. See them: entra-sync holds list --tenant ${idOf(rows)}.`,
    ),
  ]
}

/** What `doctor` says of how long ago what should be fresh was synced: what is left when nothing else is wrong. */
export async function checkFreshness({ db, config }: DoctorContext): Promise<Finding[]> {
  const check = 'freshness'
  const { scheduled, stale, oldestSeconds } = await readFreshness(db, config.intervals.syncMs)
  if (oldestSeconds === null) return [ok(check, 'no Entra tenant without a problem is scheduled')]
  const now = new Date()
  const oldest = age(new Date(now.getTime() - oldestSeconds * 1000), now)
  if (stale.length === 0)
    return [ok(check, `${counted(scheduled, 'Entra tenant')} synced, the oldest ${oldest} ago`)]
  const detail = `${stale.length} of ${scheduled} Entra tenants not synced in time, the oldest for ${oldest}: ${namesOf(stale)}`
  const remedy = `See that a worker runs (entra-sync run) and what its log says; ask for a sync with entra-sync sync ${idOf(stale)} --wait.`
  return [stale.length * 2 > scheduled ? fail(check, detail, remedy) : warn(check, detail, remedy)]
}
