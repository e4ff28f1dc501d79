import { EntraSyncError } from '../errors.ts'

/**
 * Makes the absolute URL of a Graph path (`/users/delta?...`) or checks a link that Graph (or our own database) gave.
 * A link is taken verbatim, since its tokens are opaque, but only if it is exactly of the configured origin, https,
 * without userinfo, and under `/v1.0/`: anything else is kind foreign_origin and is never requested, because a bearer
 * token would travel with it. The comparison is of the raw text as well, so that nothing a URL parser normalises
 * (unicode hosts, tabs, backslashes, dot segments) gets through.
 */
export function graphLink(graphUrl: string, pathOrLink: string): string {
  const isPath = pathOrLink.startsWith('/') && !pathOrLink.startsWith('//')
  const link = isPath ? `${graphUrl}/v1.0${pathOrLink}` : pathOrLink
  const prefix = `${graphUrl}/v1.0/`
  // Printable ASCII only: a link of Graph's is percent-encoded, and controls would be dropped by the parser.
  if (!link.startsWith(prefix) || !/^[\x21-\x7e]+$/.test(link.replaceAll(' ', '%20'))) throw foreign(link)
  const path = link.slice(prefix.length).split(/[?#]/, 1)[0] ?? ''
  const url = URL.canParse(link) ? new URL(link) : null
  if (
    !url ||
    url.protocol !== 'https:' ||
    url.origin !== graphUrl ||
    url.username !== '' ||
    url.password !== '' ||
    url.hash !== '' ||
    path.includes('\\') ||
    // %2e%2e and .. are both dot segments to the parser and would leave /v1.0/.
    !url.pathname.startsWith('/v1.0/') ||
    /(^|\/)(\.|%2e){1,2}(\/|$)/i.test(path)
  )
    throw foreign(link)
  return link
}

/** Path of a link for messages and logs: without query, since that holds delta and page tokens. */
export function pathOf(link: string): string {
  if (!URL.canParse(link)) return link.split(/[?#]/, 1)[0]?.slice(0, 200) ?? ''
  return new URL(link).pathname.replace(/^\/v1\.0/, '')
}

function foreign(link: string): EntraSyncError {
  const where = URL.canParse(link) ? new URL(link).host : 'an address that is no URL'
  return new EntraSyncError(
    'foreign_origin',
    `A link leads to ${where.slice(0, 100) || 'nowhere'}, which is not the configured Graph service. No token was sent there.`,
    {
      code: 'foreign_link',
      remedy:
        'Compare GRAPH_URL (or MICROSOFT_CLOUD) with the cloud of this tenant; if it is right, report the link.',
    },
  )
}
