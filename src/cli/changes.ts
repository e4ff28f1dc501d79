import type { Kysely } from 'kysely'
import { findTenant } from '../consent/links/tenants.ts'
import { openFeedBell } from '../db/feed-bell.ts'
import type { Database } from '../db/tables.ts'
import {
  readChanges,
  readLastChanges,
  type FeedPage,
  type TargetChange,
  type TargetFacts,
} from '../db/target-feed.ts'
import { nameChanges, type NamedChange } from '../targets/changes.ts'
import { followChanges } from '../targets/follow.ts'
import { readSnapshot } from '../targets/snapshot.ts'
import { reasonText, wantedText } from '../targets/words.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { number, printable } from './text.ts'

/** As they were typed. */
export interface ChangesOptions {
  after?: number
  follow: boolean
  limit: number
  snapshot: boolean
  tenant?: string
}

/** `changes`: the change feed of targets; the last ones, those after a seq, or all that come; or a snapshot. */
export function changes(context: CommandContext, options: ChangesOptions): Promise<number> {
  return withDatabase(context, async (db, url) => {
    const { output } = context
    const { after, limit } = options
    const tenantId = options.tenant === undefined ? null : (await findTenant(db, options.tenant)).tenantId
    if (options.snapshot) return snapshot(output, db, tenantId)
    if (options.follow) return follow(context, { db, url, tenantId }, options)
    const page =
      after === undefined
        ? await readLastChanges(db, { max: limit, tenantId })
        : await readChanges(db, { after, max: limit, tenantId })
    await show(output, db, page, after)
    return 0
  })
}

async function show(
  output: Output,
  db: Kysely<Database>,
  page: FeedPage,
  after: number | undefined,
): Promise<void> {
  const named = await nameChanges(db, page.changes)
  output.document({ changes: named, next: page.next, lastSeq: page.lastSeq })
  for (const change of named) output.line(lineOf(change))
  if (named.length === 0) output.line(after === undefined ? 'No changes.' : `No changes after ${after}.`)
  if (page.next < page.lastSeq) output.line(`There are more: --after ${page.next}`)
}

/** Like tail -f: the last ones first, unless a seq says where to begin. Ends with the signal. */
async function follow(
  { output, signal, log }: CommandContext,
  { db, url, tenantId }: { db: Kysely<Database>; url: string; tenantId: string | null },
  { after, limit }: ChangesOptions,
): Promise<number> {
  const bell = openFeedBell(url, log)
  try {
    let from = after
    if (from === undefined) {
      const last = await readLastChanges(db, { max: limit, tenantId })
      print(output, await nameChanges(db, last.changes))
      from = last.next
    }
    for await (const page of followChanges(db, { bell, after: from, signal, log, tenantId }))
      print(output, await nameChanges(db, page))
    return 0
  } finally {
    await bell.close()
  }
}

/** With --json each change is a document of its own, a line each: a stream has no end to wait for. */
function print(output: Output, page: readonly NamedChange[]): void {
  for (const change of page) {
    if (output.json) process.stdout.write(`${JSON.stringify(change)}\n`)
    else output.line(lineOf(change))
  }
}

async function snapshot(output: Output, db: Kysely<Database>, tenantId: string | null): Promise<number> {
  const { seq, targets } = await readSnapshot(db, { tenantId })
  output.document({ seq, targets })
  const persons = targets.filter(({ subjectKind }) => subjectKind === 'person').length
  output.line(
    `${number(targets.length)} targets, ${number(persons)} of persons and ${number(targets.length - persons)} of computers, true at seq ${seq}; --json prints them.`,
  )
  output.line(`What comes after: entra-sync changes --after ${seq} --follow`)
  return 0
}

const marks = { assigned: '+', changed: '~', unassigned: '-' } satisfies Record<
  TargetChange['change'],
  string
>

function lineOf(change: NamedChange): string {
  const { seq, at, after, before } = change
  const text = (facts: TargetFacts | null): string =>
    facts === null ? '' : wantedText(change.item ?? change.itemId, facts.version, facts.desired_state)
  const was = text(before)
  const what = after === null ? `no longer ${was}` : text(after)
  const differs = change.change === 'changed' && was !== what
  return printable(
    `${seq}  ${at.toISOString()}  ${marks[change.change]} ${change.tenant ?? change.tenantId}: ` +
      `${change.subjectKind} ${change.subject ?? change.subjectId}: ${what}${differs ? `, was ${was}` : ''} ` +
      `(${change.deployment ?? 'a deployment that is gone'}; ${reasonText(change.reason)})`,
  )
}
