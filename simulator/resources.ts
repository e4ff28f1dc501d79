import { graphAppId } from './tokens.ts'

/** Partner Center's own app id, the same in every tenant. */
export const partnerCenterAppId = 'fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd'

/** The names by which a token may be meant for this Graph; some clients leave the port out of its resource name. */
export function graphAudiences(origin: string): string[] {
  return [origin, `https://${new URL(origin).hostname}`, 'https://graph.microsoft.com', graphAppId]
}

/** Graph's own origin is taken, so Partner Center's is that with a path; Microsoft's name is as good. */
export function partnerCenterAudiences(origin: string): string[] {
  return ['https://api.partnercenter.microsoft.com', `${origin}/partner-center`, partnerCenterAppId]
}

export interface AskedScopes {
  appId: string
  audience: string
  /** Without the resource; `.default` alone = all that is consented. */
  scopes: string[]
  openid: boolean
  offline: boolean
}

const openIdScopes = ['openid', 'profile', 'email', 'offline_access']

/** What a user token is asked for; null where scopes are of several resources or of none that is known. */
export function readScopes(text: string, origin: string): AskedScopes | null {
  const all = text.trim().split(/\s+/).filter(Boolean)
  const asked: { appId: string; audience: string; scope: string }[] = []
  for (const scope of all.filter((each) => !openIdScopes.includes(each))) {
    const cut = scope.lastIndexOf('/')
    const audience = cut === -1 ? 'https://graph.microsoft.com' : scope.slice(0, cut)
    const appId = graphAudiences(origin).includes(audience)
      ? graphAppId
      : partnerCenterAudiences(origin).includes(audience)
        ? partnerCenterAppId
        : null
    if (appId === null) return null
    asked.push({ appId, audience, scope: scope.slice(cut + 1) })
  }
  const first = asked[0] ?? { appId: graphAppId, audience: 'https://graph.microsoft.com' }
  if (asked.some(({ appId }) => appId !== first.appId)) return null
  return {
    appId: first.appId,
    audience: first.audience,
    scopes: asked.length === 0 ? ['User.Read'] : asked.map(({ scope }) => scope),
    openid: all.includes('openid'),
    offline: all.includes('offline_access'),
  }
}
