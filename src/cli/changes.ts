import { sql } from 'kysely'
import { readChanges, readFeedEnds, type TargetChange } from '../db/target-feed.ts'
import { nameChanges, type NamedChange } from '../targets/changes.ts'
import { followChanges } from '../targets/follow.ts'
import { reasonText, wantedText } from '../targets/words.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { printable } from './text.ts'

interface ChangesOptions {
  after?: number
  follow: boolean
  limit: number
  snapshot: boolean
}

/** `changes`: the change feed of targets; the last ones, those after a seq, or all that come. */
export function changes(context: CommandContext, options: ChangesOptions): Promise<number> {
  return withDatabase(context, async (db, url) => {
    const { output, signal, log } = context
    if (options.snapshot) return snapshot(context, db)
    const { lastSeq, floorSeq } = await readFeedEnds(db)
    const after = options.after ?? Math.max(floorSeq, lastSeq - options.limit)
    if (!options.follow) {
      const found = await nameChanges(db, await readChanges(db, after, options.limit))
      output.document({ changes: found, lastSeq })
      if (found.length === 0) output.line(`No changes after ${after}.`)
      for (const change of found) output.line(lineOf(change))
      if ((found.at(-1)?.seq ?? lastSeq) < lastSeq)
        output.line(`More: entra-sync changes --after ${found.at(-1)?.seq ?? after}`)
      return 0
    }
    for await (const page of followChanges(db, { url, after: options.after ?? lastSeq, signal, log }))
      await print(output, await nameChanges(db, page))
    return 0
  })
}

/** With --json each change is a document of its own, a line each: a stream has no end to wait for. */
async function print(output: Output, page: readonly NamedChange[]): Promise<void> {
  for (const change of page) {
    if (output.json) process.stdout.write(`${JSON.stringify(change)}\n`)
    else output.line(lineOf(change))
  }
}

async function snapshot({ output }: CommandContext, db: Parameters<typeof readFeedEnds>[0]): Promise<number> {
  const { rows } = await sql<{
    seq: number
    subject_id: string | null
    subject_kind: string
    item_id: string
    version: string
    desired_state: string
  }>`
    select * from read_target_snapshot()`.execute(db)
  const targets = rows.filter((row) => row.subject_id !== null)
  const seq = rows[0]?.seq ?? 0
  output.document({ seq, targets })
  output.line(`${targets.length} targets, true at seq ${seq}. --json prints them.`)
  output.line(`What comes after: entra-sync changes --after ${seq} --follow`)
  return 0
}

const marks = { assigned: '+', changed: '~', unassigned: '-' } satisfies Record<
  TargetChange['change'],
  string
>

function lineOf(change: NamedChange): string {
  const { seq, at, tenant, subject, subject_kind: kind, item, after, before, deployment } = change
  const facts = after ?? before
  const wanted =
    facts === null ? (item ?? '') : wantedText(item ?? change.item_id, facts.version, facts.desired_state)
  const what = change.change === 'unassigned' ? `no longer ${wanted}` : wanted
  return printable(
    `${seq}  ${at.toISOString()}  ${marks[change.change]} ${tenant ?? change.tenant_id}: ${kind} ${subject ?? change.subject_id}: ${what}` +
      ` (${deployment ?? 'a deployment that is gone'}; ${reasonText(change.reason)})`,
  )
}
