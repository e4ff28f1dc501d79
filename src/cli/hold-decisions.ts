import { approveHold, rejectHold } from '../holds/decide.ts'
import { freezeFleet, unfreezeFleet } from '../holds/freeze.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { printEffect } from './deployment-effect.ts'
import { targetContext } from './target-context.ts'
import { number, printable } from './text.ts'

/** `holds approve HOLD --hash HASH`: exit code 3 where the targets follow only when they thaw. */
export function approve(
  context: CommandContext,
  holdId: string,
  { hash, by }: { hash: string; by?: string },
): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output } = context
    const done = await approveHold(targetContext(context, db), { holdId, hash, by: actorNamed(by) }, 5)
    output.document({ holdId, ...done })
    output.line(`Approved: ${number(done.applied)} applied.`)
    if (done.frozen === null) {
      printEffect(output, done.effect, { done: true, all: false })
      return 0
    }
    output.line(
      `The targets are frozen (${done.frozen.replaceAll('_', ' ')}) and follow when they thaw; an approval of targets is good for 24 hours.`,
    )
    return 3
  })
}

/** `holds reject HOLD --reason TEXT`. */
export function reject(
  context: CommandContext,
  holdId: string,
  { reason, by }: { reason: string; by?: string },
): Promise<number> {
  return withDatabase(context, async (db) => {
    await rejectHold(db, { holdId, by: actorNamed(by), reason })
    context.output.document({ holdId, reason })
    context.output.line(
      'Rejected: all of it stays as it is, and is not held again for 30 days. What is seen again counts as there from then on.',
    )
    return 0
  })
}

/** `holds freeze --reason TEXT`. */
export function freeze(
  context: CommandContext,
  { reason, by }: { reason: string; by?: string },
): Promise<number> {
  return withDatabase(context, async (db) => {
    const { settled } = await freezeFleet(db, { by: actorNamed(by), reason })
    context.output.document({ frozen: true, settled, reason })
    context.output.line(
      settled
        ? 'Frozen: nothing is removed and no target unassigned, in any tenant, until entra-sync holds unfreeze.'
        : 'Frozen. What began before is still at work after ten seconds and may yet remove what the guard had let through; whatever comes after it is kept back.',
    )
    return settled ? 0 : 3
  })
}

/** `holds unfreeze`: exit code 3 where sets stay held by their size. */
export function unfreeze(context: CommandContext, { by }: { by?: string }): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output } = context
    const done = await unfreezeFleet(targetContext(context, db), actorNamed(by))
    output.document(done)
    output.line(done.wasFrozen ? 'The freeze has ended.' : 'No freeze was on.')
    if (done.sets > 0) {
      output.line(
        `It had kept back ${number(done.sets)} ${done.sets === 1 ? 'set' : 'sets'}, judged now as without it: ${number(done.removed)} removed, ${number(done.unassigned)} targets unassigned${
          done.held > 0 ? `, ${number(done.held)} held by size (entra-sync holds list)` : ''
        }.`,
      )
    }
    return done.held > 0 ? 3 : 0
  })
}

/** Who decides: the name that was given, and in any case whose command it was. */
function actorNamed(by: string | undefined): string {
  return by === undefined ? actorOfCommand() : `${printable(by).trim()}, ${actorOfCommand()}`
}
