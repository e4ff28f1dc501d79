import { sql } from 'kysely'
import type { RequestRecord } from '../../simulator/requests.ts'
import { forgetRemovals, notedRemovals, type Removal } from './removals.ts'
import { expectedTargets } from './targets.ts'
import type { World } from './world.ts'

/** Where everything stood when a fault began. */
export interface Watch {
  line: number
  /** By the clock of the database, in milliseconds since 1970. */
  since: number
  seq: number
}

export async function watch(world: World): Promise<Watch> {
  const { db } = world.database
  await forgetRemovals(db)
  world.cloud.requests.reset()
  const { rows } = await sql<{ seq: number }>`select last_seq as seq from target_feed`.execute(db)
  return { line: world.tap.lines.length, since: await world.databaseNow(), seq: rows[0]?.seq ?? 0 }
}

/** What must never be, whatever fails, and was all the same since the watch began: lists of it by what it is. */
export type Verdict = Record<string, unknown[]>

/** Nothing of it. */
export const allWell: Verdict = {}

/** Judged when all has healed: by then the truth tells what might go and what not. */
export async function judge(world: World, { line, seq }: Watch): Promise<Verdict> {
  const all: Verdict = {
    'removed, and yet there': await wrongRemovals(world),
    'targets taken from those who are to have them': await wrongUnassignments(world, seq),
    'rows of another Entra tenant': await strangers(world),
    'requests to another host': world.trap.caught,
    'links of one tenant asked for with the token of another': foreignTokens(world.cloud.requests.recent()),
    'secrets in the log': leaks(world, world.tap.lines.slice(line)),
    'secrets in tables or jobs': leaks(world, await stored(world)),
  }
  return Object.fromEntries(Object.entries(all).filter(([, found]) => found.length > 0))
}

function truthKeys(world: World): Set<string> {
  const keys = new Set<string>()
  for (const { id, directory } of world.cloud.tenants) {
    const truth = directory.truth()
    for (const user of truth.users) {
      keys.add(`person ${id} ${user.id}`)
      for (const license of user.licenses) keys.add(`license ${id} ${user.id}/${license.skuId}`)
    }
    for (const group of truth.groups) keys.add(`group ${id} ${group.id}`)
    for (const { groupId, memberId } of truth.members) keys.add(`membership ${id} ${groupId}/${memberId}`)
    for (const sku of truth.skus) keys.add(`sku ${id} ${sku.skuId}`)
  }
  return keys
}

/** Nothing that the cloud still has was ever taken out: what goes there for good is all that may go here. */
async function wrongRemovals(world: World): Promise<Removal[]> {
  const there = truthKeys(world)
  const noted = await notedRemovals(world.database.db)
  return noted.filter(({ what, entra_tenant_id: id, key }) => there.has(`${what} ${id} ${key}`))
}

async function wrongUnassignments(world: World, seq: number): Promise<string[]> {
  const { wanted } = await expectedTargets(world.database.db, world.cloud)
  const { rows } = await sql<{ target: string }>`
    select p.entra_tenant_id || ' ' || p.object_id || ' ' || i.name as target
    from target_changes c join persons p on p.person_id = c.subject_id join maintenance_items i using (item_id)
    where c.seq > ${seq} and c.change = 'unassigned'`.execute(world.database.db)
  return rows.map(({ target }) => target).filter((target) => wanted.has(target))
}

/** Rows of an Entra tenant whose object another one has, and it has not. */
async function strangers(world: World): Promise<string[]> {
  const owners = new Map<string, Set<string>>()
  for (const { id, directory } of world.cloud.tenants) {
    for (const { order } of [directory.users, directory.groups])
      for (const object of order) owners.set(object.id, (owners.get(object.id) ?? new Set<string>()).add(id))
  }
  const { rows } = await sql<{ tenant: string; object: string }>`
    select entra_tenant_id as tenant, object_id as object from persons where object_id is not null
    union select entra_tenant_id, object_id from groups
    union select entra_tenant_id, group_id from group_members
    union select entra_tenant_id, member_id from group_members`.execute(world.database.db)
  return rows
    .filter(({ tenant, object }) => owners.get(object)?.has(tenant) === false)
    .map(({ tenant, object }) => `${object} in ${tenant}`)
}

/** The simulated cloud answers 400 to a link that was not made for the tenant of the token. */
function foreignTokens(requests: RequestRecord[]): string[] {
  return requests
    .filter(({ url, status }) => status === 400 && /(skip|delta)token=/.test(url))
    .filter(({ url, tenantId }) => !isOf(url, tenantId))
    .map(({ tenantId, url }) => `${tenantId ?? 'nobody'}: ${url.slice(0, 60)}`)
}

/** Page and delta tokens of the simulated cloud name the tenant that they are of; `latest`, as probes of consent ask, is nobody's. */
function isOf(url: string, tenantId: string | null): boolean {
  const token = /(?:skip|delta)token=([\w-]+)/.exec(url)?.[1]
  if (token === undefined || token === 'latest') return true
  return tenantId !== null && Buffer.from(token, 'base64url').toString().includes(tenantId)
}

const tokenLike = /\beyJ[\w-]{10,}\.[\w-]{10,}\.|(?:delta|skip)token=(?!\[secret\])[\w-]{12,}/

function leaks(world: World, texts: readonly string[]): string[] {
  return texts.filter((text) => tokenLike.test(text) || world.secrets.some((secret) => text.includes(secret)))
}

/** Texts of what went wrong, where operators and reports read them. */
async function stored(world: World): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    select r::text as text from sync_runs r union all select p::text from problems p union all select t::text from target_failures t`.execute(
    world.database.db,
  )
  const failed = await Promise.all(Object.values(world.app.queues.all).map((queue) => queue.getFailed()))
  return [...rows.map(({ text }) => text), ...failed.flat().map((job) => job.failedReason ?? '')]
}
