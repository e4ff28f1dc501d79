import { z } from 'zod'
import { checkConsent, makeConsentLink } from '../acts/consent.ts'
import { moment, ofEntraTenant, route } from './route.ts'

const tag = 'Consent'

export const consentRoutes = [
  route({
    method: 'post',
    path: '/entra-tenants/{id}/consent-url',
    operationId: 'createConsentUrl',
    summary: 'Make a link for an admin of the Entra tenant, good for 7 days; who has it may use it',
    tag,
    params: ofEntraTenant,
    status: 201,
    response: z.object({
      url: z.string(),
      expiresAt: moment,
      clientId: z.string().meta({ description: 'the app that is consented to' }),
      redirectUri: z.string().meta({ description: 'what its registration must list, exactly' }),
    }),
    run: (deps, { params: { id }, signedIn }) => makeConsentLink(deps, id, signedIn.name),
  }),
  route({
    method: 'post',
    path: '/entra-tenants/{id}/consent-check',
    operationId: 'checkConsent',
    summary: 'Prove consent now, by a token and a probe per permission',
    tag,
    params: ofEntraTenant,
    response: z
      .object({
        status: z
          .enum(['required', 'waiting_for_roles', 'granted', 'insufficient', 'revoked'])
          .nullable()
          .meta({ description: 'null = no proof has come to a verdict yet' }),
        clientId: z.string(),
        grantedRoles: z.array(z.string()),
        missingRoles: z.array(z.string()),
        missingOptionalRoles: z.array(z.string()),
        nextProofAt: moment,
        noVerdict: z
          .object({ error: z.string(), message: z.string(), remedy: z.string().nullable() })
          .nullable()
          .meta({ description: 'why this proof came to no verdict; the rest is as it was before' }),
      })
      .meta({ id: 'Proof' }),
    async run(deps, { params: { id }, signal }) {
      const { error, ...proof } = await checkConsent(deps, id, signal)
      const { code = '', message = '', remedy = null } = error ?? {}
      return { ...proof, noVerdict: error === undefined ? null : { error: code, message, remedy } }
    },
  }),
]
