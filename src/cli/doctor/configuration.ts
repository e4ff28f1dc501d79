import { redirectUriOf } from '../../error-catalogue/catalogue.ts'
import type { CommandContext } from '../context.ts'
import { ok, warn, type Finding } from './finding.ts'

/** What `doctor` says of the environment: which cloud, app and database, and where people reach this. */
export function checkConfiguration({ config }: CommandContext): Finding[] {
  const { cloud, defaultApp, databaseUrl } = config
  const database = databaseUrl === null ? `embedded database in ${config.dataDir}` : 'database of your own'
  const proof = defaultApp !== null && 'certificate' in defaultApp ? 'certificate' : 'secret'
  const app = defaultApp === null ? 'no Default app' : `Default app ${defaultApp.clientId} with a ${proof}`
  return [ok('configuration', `cloud ${cloud.name}, ${app}, ${database}`), redirectUri(config.http.publicUrl)]
}

/** Consent comes back to the browser of a customer's admin, who is elsewhere. */
function redirectUri(publicUrl: string): Finding {
  const check = 'redirect URI'
  const uri = redirectUriOf(publicUrl)
  if (publicUrl.startsWith('https:')) return ok(check, `${uri} (as registered with the app, platform Web)`)
  return warn(
    check,
    `${uri} is reached from this machine only, so no customer's admin can consent by link`,
    `Set PUBLIC_URL to the https address at which others reach this, and register it with the app: platform Web, https://HOST/consent-callback.`,
  )
}
