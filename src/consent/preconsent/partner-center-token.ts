import { steadyNow } from '../../clock.ts'
import { isEntraSyncError } from '../../errors.ts'
import { lruMap, type LruMap } from '../../graph/lru-map.ts'
import type { PartnerCenter } from '../../graph/partner-center.ts'
import { catalogueError, type PreconsentContext } from './context.ts'
import type { SignIn } from './sign-ins.ts'
import { tokenAs } from './user-access.ts'

interface Kept {
  value: string
  expiresAt: number
}

/** One token serves all customers of a bulk. By context, that is, by process. */
const kept = new WeakMap<PreconsentContext, LruMap<string, Kept>>()
/** A request may wait its turn for that long. */
const leadMs = 120_000

// A new sign-in of the same user is another one: the token of before may lack the second factor.
const keyOf = ({ signInId, obtainedAt }: SignIn): string => `${signInId} ${obtainedAt.getTime()}`

/**
 * Runs `use` with Partner Center and the user's token for it. A token that is refused is dropped and asked for anew
 * once: it may have ended before its time.
 */
export async function withPartnerCenter<T>(
  context: PreconsentContext,
  signIn: SignIn,
  { tenant, signal }: { tenant: string; signal: AbortSignal },
  use: (center: PartnerCenter, token: string) => Promise<T>,
): Promise<T> {
  const center = context.partnerCenter
  if (center === null) throw catalogueError('partner_center_missing', { tenant })
  const tokens = kept.get(context) ?? lruMap<string, Kept>(100)
  kept.set(context, tokens)
  const key = keyOf(signIn)
  const before = tokens.get(key)
  const isKept = before !== undefined && steadyNow() < before.expiresAt - leadMs
  try {
    return await use(center, isKept ? before.value : await ask())
  } catch (error) {
    if (!isEntraSyncError(error) || error.code !== 'partner_sign_in_refused') throw error
    tokens.delete(key)
    if (!isKept) throw error
    return use(center, await ask())
  }

  async function ask(): Promise<string> {
    const { accessToken, expiresAt } = await tokenAs(context, signIn, {
      entraTenantId: signIn.partnerEntraTenantId,
      resource: context.resources.partnerCenter,
      signal,
    })
    tokens.set(key, { value: accessToken, expiresAt })
    return accessToken
  }
}
