import { derivedId } from '../random.ts'
import type { AppRegistration } from '../registrations.ts'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { appRoleIds } from './app-roles.ts'
import { noObject, ok, unknownSegment, unsupportedQuery } from './answers.ts'
import { guarded } from './guard.ts'
import { contextUrl } from './page-token.ts'
import { graphAppId } from '../tokens.ts'
import { option } from './query.ts'
import { rolesFor } from './roles.ts'

/** `/applications`: the registrations that are this tenant's, with the ends of their credentials. */
export function answerApplications(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  return guarded(context, null, rolesFor.servicePrincipals, () => {
    const { registrations, tenant, origin } = context
    const own = registrations.filter(({ homeTenantId }) => homeTenantId === tenant.id).map(application)
    const [id, more] = rest
    if (more !== undefined) return unknownSegment(more)
    if (id === undefined) {
      const filter = option(request, '$filter')
      const appId =
        filter === null ? null : /^\s*appId\s+eq\s+'([^']+)'\s*$/i.exec(filter)?.[1]?.toLowerCase()
      if (appId === undefined) return unsupportedQuery('Applications are filtered by appId only.')
      return ok({
        '@odata.context': contextUrl(origin, 'applications', null),
        value: own.filter((each) => appId === null || appId === each.appId),
      })
    }
    const found = own.find((each) => each.id === id || id.toLowerCase() === `appid=${each.appId}`)
    return found === undefined ? noObject(id) : ok(found)
  })
}

function application(registration: AppRegistration) {
  const { clientId, homeTenantId, secrets, expiredSecrets, secretEnds, secretEndsAt } = registration
  // Entra goes on showing a secret that has ended, until somebody deletes it.
  const shown = [...secrets, ...expiredSecrets.filter((each) => secretEnds.has(each))]
  return {
    id: derivedId(homeTenantId, clientId),
    appId: clientId,
    displayName: registration.displayName,
    signInAudience: registration.singleTenant ? 'AzureADMyOrg' : 'AzureADMultipleOrgs',
    web: { redirectUris: registration.redirectUris ?? [] },
    requiredResourceAccess: [
      {
        resourceAppId: graphAppId,
        resourceAccess: registration.requiredRoles.map((role) => ({
          id: appRoleIds.get(role),
          type: 'Role',
        })),
      },
    ],
    passwordCredentials: shown.map((secret, index) => ({
      keyId: derivedId(clientId, 'secret', secret),
      displayName: `Secret ${index + 1}`,
      hint: secret.slice(0, 3),
      secretText: null,
      endDateTime: (secretEnds.get(secret) ?? secretEndsAt).toISOString(),
    })),
    keyCredentials: registration.certificates.map((certificate) => ({
      keyId: derivedId(clientId, certificate.fingerprint256),
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
