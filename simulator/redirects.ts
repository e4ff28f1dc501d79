import { escapeHtml } from './html.ts'

/** What is wrong with a redirect URI, in words for an error page that sends nobody anywhere; null = nothing. */
export function badRedirect(uri: string, registered: readonly string[] | null): string | null {
  if (registered !== null && registered.length === 0) {
    return 'AADSTS500113: No reply address is registered for the application.'
  }
  // Without a list of its own the registration takes what Entra lets one register at all.
  const good =
    registered === null
      ? URL.canParse(uri) && /^(https:|http:\/\/(localhost|127\.0\.0\.1)[:/])/.test(uri)
      : registered.includes(uri)
  return good
    ? null
    : `AADSTS50011: The redirect URI '${escapeHtml(uri)}' specified in the request does not match the redirect URIs configured for the application.`
}
