import type { Context } from 'hono'
import { z } from 'zod'
import type { AppCheck } from '../../consent/apps/check-app.ts'
import type { ConsentNeeded } from '../../consent/apps/consents-needed.ts'
import { readPermissionLevel, removeCredential } from '../../consent/apps/permission-level.ts'
import { requireEntraTenant } from '../../db/entra-tenant-facts.ts'
import { EntraSyncError } from '../../errors.ts'
import type { HttpEnv } from '../access.ts'
import { parsed, uuid } from '../input.ts'
import {
  changeLevel,
  checkRegistration,
  consentsAfter,
  type CredentialInput,
  type LevelInput,
} from '../acts/permission-level.ts'
import { idOf, type ConsoleContext, type Form } from './console-context.ts'

const levelForm = z.object({ level: z.enum(['default', 'custom']) })

const customForm = z.object({
  clientId: z.string().trim().pipe(uuid),
  secret: z.string().trim().max(1000),
  expires: z.union([
    z.literal('').transform(() => undefined),
    z.iso.date().transform((day) => new Date(day)),
  ]),
  certificate: z.string().max(100_000),
  certificateFile: z.union([z.instanceof(File), z.literal('')]).optional(),
})

/** What an operator does with the permission level of an Entra tenant. */
export function addLevelForms({ deps, act }: ConsoleContext): void {
  const { db } = deps
  const path = '/entra-tenants/:id'
  const back = (context: Context<HttpEnv>): string => `/entra-tenants/${context.req.param('id')}`

  act(`${path}/permission-level`, back, async (form, context) => {
    const entraTenantId = idOf(context)
    const name = await requireEntraTenant(db, entraTenantId)
    const before = await readPermissionLevel(db, entraTenantId)
    const change = await changeOf(form)
    await changeLevel(deps, entraTenantId, change, context.get('signedIn').name)
    const consents = await consentsAfter(deps, entraTenantId, before)
    const check = await checkRegistration(deps, entraTenantId, context.req.raw.signal)
    const word = change.level === 'custom' ? 'Custom' : 'Default'
    const text = `The permission level of ${name} is ${word}.`
    return { tone: 'good', text, more: [...toldOfConsents(consents), ...toldOfCheck(check)] }
  })
  act(`${path}/app-check`, back, async (_form, context) => {
    const check = await checkRegistration(deps, idOf(context), context.req.raw.signal)
    const right = check?.outcome === 'checked' && check.findings.length === 0
    const text = right ? 'The app registration is right.' : 'The app registration was looked at.'
    return { tone: right ? 'good' : 'bad', text, more: toldOfCheck(check) }
  })
  act(`${path}/credentials/:credentialId/remove`, back, async (_form, context) => {
    const entraTenantId = idOf(context)
    const credentialId = parsed(uuid, context.req.param('credentialId'))
    await requireEntraTenant(db, entraTenantId)
    await removeCredential(db, { entraTenantId, credentialId, actor: context.get('signedIn').name })
    const more = ['Delete it in the app registration too.']
    return { tone: 'good', text: 'The credential is removed.', more }
  })
}

/** Names told in a sentence; the overview has all. */
const mostNames = 5

function toldOfConsents(consents: { needed: ConsentNeeded[]; of: number } | null): string[] {
  if (consents === null) return []
  const { needed, of } = consents
  if (needed.length === 0)
    return ['Another app than before, which all that follow have consented to already.']
  const names = needed.slice(0, mostNames).map(({ name }) => name)
  const more = needed.length > mostNames ? ` and ${needed.length - mostNames} more` : ''
  return [
    `Another app than before: ${needed.length} of ${of} Entra tenants must consent to it (${names.join(', ')}${more}).`,
    'Until then each is read with the app that it has consented to.',
  ]
}

function toldOfCheck(check: AppCheck | null): string[] {
  if (check === null)
    return ['The app registration was not checked: Microsoft did not answer in time. It is checked daily.']
  const found = check.findings.flatMap(({ message, remedy }) => [`Not right: ${message}`, remedy])
  return check.notice === null ? found : [check.notice, ...found]
}

async function changeOf(form: Form): Promise<LevelInput> {
  const { level } = parsed(levelForm, form)
  if (level === 'default') return { level }
  const { clientId, ...given } = parsed(customForm, form)
  const credential = await credentialOf(given)
  return { level, clientId, ...(credential !== null && { credential }) }
}

/** What the form holds; null = no credential, which is right where the app has one already. */
async function credentialOf({
  secret,
  expires,
  certificate,
  certificateFile,
}: Omit<z.output<typeof customForm>, 'clientId'>): Promise<CredentialInput | null> {
  const uploaded = certificateFile instanceof File ? await certificateFile.text() : ''
  const pem = uploaded.trim() === '' ? certificate : uploaded
  if (secret !== '' && pem.trim() !== '') {
    throw new EntraSyncError('input', 'Both a client secret and a certificate were given.', {
      code: 'credential_ambiguous',
      remedy: 'Save one of them; the other one can be added afterwards.',
    })
  }
  if (pem.trim() !== '') return { kind: 'certificate', pem }
  if (secret === '') return null
  return { kind: 'secret', secret, ...(expires !== undefined && { expiresAt: expires }) }
}
