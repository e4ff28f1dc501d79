import type { Application } from '../../graph/applications.ts'
import { permissions, type Permission } from '../../permissions.ts'

/** Something that is not right with an app registration. */
export interface AppFinding {
  code: 'app_single_tenant' | 'redirect_uri_missing' | 'app_permissions_unlisted' | 'credential_unregistered'
  message: string
  remedy: string
  /** It keeps consent from being given at all, so that it becomes an open problem of the Entra tenant. */
  isProblem: boolean
}

export interface AppFacts {
  /** PUBLIC_URL/consent-callback. */
  redirectUri: string
  /** Customers that follow. */
  customers: number
  /** Stored credentials that the registration does not have. */
  unregistered: readonly string[]
}

const idOf = new Map(permissions.map(({ name, id }) => [name, id]))
const instead = idOf.get('Directory.Read.All')

/** What is not right with a registration: pure, so that whoever shows it may ask again. */
export function appFindings(
  app: Application,
  { redirectUri, customers, unregistered }: AppFacts,
): AppFinding[] {
  const findings: AppFinding[] = []
  const name = app.displayName === null ? app.appId : `${app.displayName} (${app.appId})`
  const where = `In the Microsoft Entra admin center open Entra ID > App registrations > ${name} >`
  if (customers > 0 && app.signInAudience === 'AzureADMyOrg') {
    findings.push({
      code: 'app_single_tenant',
      message: `The app ${name} is for its own tenant only, so that none of ${customers} customers can consent to it.`,
      remedy: `${where} Authentication > Supported account types, and choose accounts in any organizational directory (multitenant).`,
      isProblem: true,
    })
  }
  // Microsoft compares the path letter by letter.
  if (!app.redirectUris.includes(redirectUri)) {
    const without = app.redirectUris.length === 0 ? 'no redirect URI' : 'other redirect URIs only'
    findings.push({
      code: 'redirect_uri_missing',
      message: `The app ${name} has ${without} on platform Web: consent can't come back from Microsoft.`,
      remedy: `${where} Authentication > Add a platform > Web, and paste exactly ${redirectUri}`,
      isProblem: true,
    })
  }
  const unlisted = permissions.filter((one) => one.need === 'required' && !isListed(one, app.graphRoleIds))
  if (unlisted.length > 0) {
    const names = unlisted.map((one) => one.name).join(', ')
    findings.push({
      code: 'app_permissions_unlisted',
      message: `The app ${name} does not list the application permissions ${names}: the consent link grants what is listed.`,
      remedy: `${where} API permissions > Add a permission > Microsoft Graph > Application permissions, and add them.`,
      isProblem: false,
    })
  }
  if (unregistered.length > 0) {
    findings.push({
      code: 'credential_unregistered',
      message: `The app ${name} does not have what is stored here as ${unregistered.join(', ')}.`,
      remedy: 'Remove it here too: entra-sync permission-level ID --remove-credential CREDENTIAL.',
      isProblem: false,
    })
  }
  return findings
}

function isListed({ id, orId }: Permission, listed: readonly string[]): boolean {
  return [id, orId, instead].some((one) => one !== undefined && listed.includes(one))
}
