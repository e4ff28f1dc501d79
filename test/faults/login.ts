import { graphAudiences } from '../../simulator/resources.ts'
import type { AppState } from '../../simulator/types.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

/** Tokens that were issued before are none any more, so that what happens at the login is met now. */
const asTokensEnd = ({ cloud, victim }: World): void => cloud.issuer.revoke(victim.id)

function appState(number: number, name: string, state: AppState, problem: string): Fault {
  return {
    number,
    name,
    tells: new RegExp(`"code":"${problem}"`),
    reach: 'victim',
    problem,
    inject(world) {
      world.victim.app.state = state
      asTokensEnd(world)
    },
    end: ({ victim }) => void (victim.app.state = 'ready'),
  }
}

function refusedSignIn(number: number, name: string, code: number, problem: string): Fault {
  let id = 0
  return {
    number,
    name,
    tells: new RegExp(`"code":"${problem}"`),
    reach: 'victim',
    problem,
    inject(world) {
      id = world.cloud.faults.add({
        tenantId: world.victim.id,
        path: '/oauth2/v2.0/token',
        effect: { kind: 'aadsts', code },
      })
      asTokensEnd(world)
    },
    end: ({ cloud }) => cloud.faults.remove(id),
  }
}

let granted: string[] = []

/** Numbers 6 and 38 to 40: what becomes of consent and of tokens. */
export const loginFaults: Fault[] = [
  refusedSignIn(6, 'the tenant is in another cloud', 900382, 'tenant_in_other_cloud'),
  appState(38, 'consent is taken back', 'no-service-principal', 'consent_required'),
  refusedSignIn(39, 'the secret is invalid', 7000215, 'client_secret_invalid'),
  appState(39, 'the app is disabled', 'disabled', 'app_disabled'),
  appState(39, 'Conditional Access blocks the app', 'blocked-by-policy', 'conditional_access_blocked'),
  {
    number: 40,
    name: 'a token of another tenant',
    tells: /"kind":"wrong_tenant"/,
    reach: 'victim',
    problem: 'wrong_tenant',
    inject(world) {
      const { cloud, victim, bystanders } = world
      const other = bystanders[1]
      if (other === undefined) throw new Error('there is another tenant')
      const [audience = ''] = graphAudiences(cloud.origin)
      const token = cloud.issuer.issue({
        tenant: other,
        appId: cloud.clientId,
        audience,
        lifetimeSeconds: 3599,
      })
      wrongToken = cloud.faults.add({
        tenantId: victim.id,
        path: '/oauth2/v2.0/token',
        effect: { kind: 'edit', set: { access_token: token } },
      })
      asTokensEnd(world)
    },
    end: ({ cloud }) => cloud.faults.remove(wrongToken),
  },
  {
    number: 40,
    name: 'a token without the roles',
    tells: /"kind":"access_lost"/,
    reach: 'victim',
    inject(world) {
      granted = world.victim.app.roles
      world.victim.app.roles = []
      asTokensEnd(world)
    },
    end(world) {
      world.victim.app.roles = granted
      asTokensEnd(world)
    },
  },
]

let wrongToken = 0
