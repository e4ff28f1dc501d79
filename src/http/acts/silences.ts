import { z } from 'zod'
import { requireEntraTenant } from '../../db/entra-tenant-facts.ts'
import { listSilences, silenceProblems, unsilenceProblems } from '../../db/silences.ts'
import { EntraSyncError } from '../../errors.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { uuid } from '../input.ts'

export const silenceInput = z
  .strictObject({
    code: z
      .string()
      .regex(/^[\w.-]{1,100}$/, 'is no code of a problem')
      .optional(),
    entraTenantId: uuid.optional(),
    reason: z.string().trim().max(500).default(''),
    until: z.coerce.date().optional().meta({ description: 'left out: until it is taken back' }),
  })
  .refine(({ code, entraTenantId }) => code !== undefined || entraTenantId !== undefined, {
    message: 'needs a code, an Entra tenant, or both',
  })

/** Silences by code, Entra tenant or both; answers how many open problems that are. @throws kind `input` */
export async function silence(
  { db }: ConsoleDeps,
  { code, entraTenantId, reason, until }: z.output<typeof silenceInput>,
  actor: string,
): Promise<number> {
  if (entraTenantId !== undefined) await requireEntraTenant(db, entraTenantId)
  if (until !== undefined && until <= new Date()) {
    throw new EntraSyncError('input', 'The end of the silence is in the past.', {
      code: 'silence_over',
      remedy: 'Give a later day, or none.',
    })
  }
  const key = { code: code ?? null, entraTenantId: entraTenantId ?? null }
  return silenceProblems(db, key, { until: until ?? null, reason, actor })
}

/** Takes a silence back by its id. @throws kind `input`, code `silence_unknown` */
export async function unsilence({ db }: ConsoleDeps, silenceId: string, actor: string): Promise<void> {
  const found = (await listSilences(db)).find((one) => one.silence_id === silenceId)
  if (found !== undefined) {
    const key = { code: found.code, entraTenantId: found.entra_tenant_id }
    if (await unsilenceProblems(db, key, actor)) return
  }
  throw new EntraSyncError('input', `There is no silence ${silenceId}.`, {
    code: 'silence_unknown',
    remedy: 'It has ended, or was taken back already.',
  })
}
