import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { noObject, ok, unknownSegment, unsupportedQuery } from './answers.ts'
import { guarded } from './guard.ts'
import { contextUrl } from './page-token.ts'
import { option } from './query.ts'
import { rolesFor } from './roles.ts'
import { derivedId } from './tenant-facts.ts'

/** `/applications`: our app's registration, in the partner tenant only, with the ends of its credentials. */
export function answerApplications(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  return guarded(context, null, rolesFor.servicePrincipals, () => {
    const { registration, tenant, origin } = context
    const own = tenant.gdap.length === 0 ? [application(context)] : []
    const [id, more] = rest
    if (more !== undefined) return unknownSegment(more)
    if (id === undefined) {
      const filter = option(request, '$filter')
      const appId =
        filter === null ? null : /^\s*appId\s+eq\s+'([^']+)'\s*$/i.exec(filter)?.[1]?.toLowerCase()
      if (appId === undefined) return unsupportedQuery('Applications are filtered by appId only.')
      return ok({
        '@odata.context': contextUrl(origin, 'applications', null),
        value: own.filter(() => appId === null || appId === registration.clientId),
      })
    }
    const found = own.find((each) => each.id === id || id.toLowerCase() === `appid=${registration.clientId}`)
    return found === undefined ? noObject(id) : ok(found)
  })
}

function application({ registration, tenant }: GraphContext) {
  return {
    id: derivedId(tenant.id, registration.clientId),
    appId: registration.clientId,
    displayName: 'entra-sync',
    signInAudience: 'AzureADMultipleOrgs',
    web: { redirectUris: registration.redirectUris ?? [] },
    passwordCredentials: registration.secrets.map((secret, index) => ({
      keyId: derivedId(registration.clientId, `secret ${index}`),
      displayName: `Secret ${index + 1}`,
      hint: secret.slice(0, 3),
      secretText: null,
      endDateTime: registration.secretEndsAt.toISOString(),
    })),
    keyCredentials: registration.certificates.map((certificate) => ({
      keyId: derivedId(registration.clientId, certificate.fingerprint256),
      type: 'AsymmetricX509Cert',
      usage: 'Verify',
      displayName: certificate.subject,
      customKeyIdentifier: certificate.fingerprint.replaceAll(':', ''),
      startDateTime: new Date(certificate.validFrom).toISOString(),
      endDateTime: new Date(certificate.validTo).toISOString(),
      key: null,
    })),
  }
}
