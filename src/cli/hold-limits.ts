import { readHoldLimits, type HoldLimits } from '../db/hold-limits.ts'
import { removeHoldLimits, setHoldLimits, type LimitsInput } from '../holds/limits.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'
import { printable } from './text.ts'

export interface LimitsOptions {
  min?: number
  percent?: number
  max?: number
  until?: Date
  reason: string
  clear: boolean
}

/** `holds limits [ID]`: tells limits, of all that have their own or of one; with values sets them. */
export function limits(
  context: CommandContext,
  tenant: string | undefined,
  options: LimitsOptions,
): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output, config } = context
    const found = tenant === undefined ? null : await findEntraTenant(db, tenant)
    if (found !== null && options.clear) {
      const cleared = await removeHoldLimits(db, found.entraTenantId, actorOfCommand())
      output.line(`${found.name} has the configuration's limits${cleared === 0 ? ' already' : ' again'}.`)
    } else if (found !== null && isGiven(options)) {
      const given: LimitsInput = {
        holdMin: options.min,
        holdPercent: options.percent,
        holdMax: options.max,
      }
      const until = options.until ?? null
      await setHoldLimits(db, found.entraTenantId, given, {
        until,
        reason: options.reason,
        by: actorOfCommand(),
      })
      output.line(
        until === null
          ? `${found.name} has limits of its own from now on.`
          : `${found.name} has an override until ${until.toISOString()}; it ends by itself.`,
      )
    }
    const rows = await readHoldLimits(db, found === null ? undefined : [found.entraTenantId])
    output.document({ configured: config.guard, limits: rows })
    const { holdMin, holdPercent, holdMax } = config.guard
    output.line(`Configured: HOLD_MIN ${holdMin}, HOLD_PERCENT ${holdPercent}, HOLD_MAX ${holdMax}`)
    await printLimits(output, rows, (id) => findEntraTenant(db, id).then(({ name }) => name))
    return 0
  })
}

/** Whether any limit is to be set. */
export function isGiven({ min, percent, max }: Pick<LimitsOptions, 'min' | 'percent' | 'max'>): boolean {
  return min !== undefined || percent !== undefined || max !== undefined
}

async function printLimits(
  output: Output,
  rows: readonly HoldLimits[],
  nameOf: (id: string) => Promise<string>,
): Promise<void> {
  if (rows.length === 0) output.line('No Entra tenant has limits of its own.')
  for (const { entraTenantId, holdMin, holdPercent, holdMax, expiresAt, reason, setBy } of rows) {
    const values = [
      ...(holdMin === null ? [] : [`min ${holdMin}`]),
      ...(holdPercent === null ? [] : [`percent ${holdPercent}`]),
      ...(holdMax === null ? [] : [`max ${holdMax}`]),
    ]
    const until = expiresAt === null ? 'lasting' : `until ${expiresAt.toISOString()}`
    const why = reason === '' ? '' : `: ${reason}`
    output.line(
      printable(`${await nameOf(entraTenantId)}: ${values.join(', ')}, ${until}, by ${setBy}${why}`),
    )
  }
}
