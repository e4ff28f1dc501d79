import type { Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { TargetContext } from './context.ts'
import { changeDeliberately } from './deliberate.ts'
import { noteComputers } from './effect-rows.ts'
import { readEffect, type Effect } from './effect.ts'

export interface ChangeOptions {
  /** False = only told: all of it is taken back. */
  keep: boolean
  actor: string
  /** Tenants, the most changed first, that the effect names samples of. */
  sampledTenants: number
}

/** What `write` does to the targets; null = it answered false, and everything is as it was. */
export async function changeWithEffect(
  context: TargetContext,
  { keep, sampledTenants }: ChangeOptions,
  trigger: string,
  write: (trx: Transaction<Database>) => Promise<boolean>,
): Promise<Effect | null> {
  let effect: Effect | null = null
  let written = false
  await changeDeliberately(context, {
    trigger,
    keep,
    async write(trx) {
      written = await write(trx)
    },
    beforeApply: noteComputers,
    async afterApply(trx) {
      effect = await readEffect(trx, sampledTenants)
    },
  })
  return written ? effect : null
}
