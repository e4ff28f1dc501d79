import { entriesOf, type SourcedEntry } from './entry.ts'

const byItself = 'Nothing to do: it goes on by itself.'
const pageAgain =
  'Nothing of the page was written, nothing was removed. It is read again in the next round; if it persists, report it with the request id.'
const byMicrosoft = { whoActs: 'microsoft', retry: 'later' } as const
const byOperator = { whoActs: 'operator', retry: 'after_fix' } as const

/** Codes that this program gives itself while it reads from Microsoft and writes what it has read. */
export const reading: readonly SourcedEntry[] = [
  ...entriesOf({ ...byMicrosoft, retry: 'soon', kind: 'throttled' }, [
    [
      'graph_away',
      'Graph answers nobody: many calls of several Entra tenants have failed with no answer between them',
      'Nothing to do: one call in a few seconds asks whether it is back, then all go on, spread over a minute. While it lasts /readyz is red with the check cloud. If Microsoft reports no fault, check DNS, proxy and firewall of this machine.',
    ],
    [
      'login_away',
      'the login service answers nobody: no token can be had for any Entra tenant',
      'Nothing to do: one request in a few seconds asks whether it is back, then all go on, spread over a minute. While it lasts /readyz is red with the check cloud. If Microsoft reports no fault, check DNS, proxy and firewall of this machine.',
    ],
    [
      'tenant_held',
      'Microsoft throttles this Entra tenant (or the app), or its budget of resource units is spent, so it was not asked',
      'Nothing to do: the read goes on when Microsoft allows it. If it happens all day, another program reads this Entra tenant as the same app; or lengthen SYNC_INTERVAL.',
    ],
  ]),
  ...entriesOf({ whoActs: 'customer_admin', retry: 'after_fix', kind: 'access_lost' }, [
    [
      'graph_401',
      'Graph refuses the token of the app in this tenant, without a code that says why',
      'Check consent and permissions of the app in this tenant: entra-sync consent verify {tenant}.',
    ],
    [
      'graph_403',
      'Graph refuses the app in this tenant, without a code that says why',
      'Check consent and permissions of the app in this tenant: entra-sync consent verify {tenant}.',
    ],
  ]),
  ...entriesOf({ ...byMicrosoft, kind: 'transient' }, [
    [
      'graph_nnn',
      'Graph answered with this HTTP status, without a code that says more',
      'Nothing to do at 429 and 5xx: it is tried again. Give Microsoft support the request id if it stays.',
    ],
    [
      'login_nnn',
      'the login service answered with this HTTP status, without an AADSTS number that says more',
      'It is tried again later; if it persists, report it with the correlation id.',
    ],
  ]),
  ...entriesOf({ ...byOperator, retry: 'later', kind: 'transient' }, [
    ...(['network_xxx', 'login_unreachable'] as const).map(
      (code) =>
        [
          code,
          `the connection to ${code === 'network_xxx' ? 'Graph' : 'the login service'} failed`,
          'It is tried again by itself. If it persists, check DNS, proxy, firewall and NODE_EXTRA_CA_CERTS.',
        ] as const,
    ),
    ...(['headers_timeout', 'page_timeout', 'login_timeout'] as const).map(
      (code) =>
        [
          code,
          `${code === 'login_timeout' ? 'the login service' : 'Graph'} sent no ${code === 'page_timeout' ? 'whole page' : 'answer'} in time`,
          'It is tried again by itself. If it persists, check DNS, proxy, firewall and NODE_EXTRA_CA_CERTS.',
        ] as const,
    ),
    [
      'run_failed',
      'a run failed without a cause of its own',
      'It is tried again by itself. See its row in entra-sync status and the log.',
    ],
    ...(['internal_error', 'unexpected'] as const).map(
      (code) =>
        [
          code,
          'something failed that nothing here foresaw: a fault of entra-sync',
          'What was asked is kept and tried again. Report it with the log.',
        ] as const,
    ),
  ]),
  ...entriesOf({ ...byMicrosoft, kind: 'malformed' }, [
    ['not_json', 'an answer is no JSON, or is cut short', pageAgain],
    ['json_too_deep', 'an answer is nested deeper than any of Graph', pageAgain],
    ['forbidden_key', 'an answer has a key that no object of Graph has, as __proto__', pageAgain],
    ['response_too_large', 'an answer is larger than 64 MB', pageAgain],
    ['no_page', 'an answer is no page of a Graph collection', pageAgain],
    ['two_links', 'a page has a nextLink and a deltaLink', pageAgain],
    ['no_link', 'a page of a delta round has neither nextLink nor deltaLink', pageAgain],
    ['link_loop', 'a nextLink leads to a page that was read before', pageAgain],
    ['too_many_pages', 'a round or listing does not end: its links lead in a circle', pageAgain],
    ['id_no_guid', 'an object has an id that is no GUID', pageAgain],
    ['object_malformed', 'an object of a page is not as Graph documents it', pageAgain],
    ['organization_not_one', 'the Entra tenant has not exactly one organization', pageAgain],
    ['no_batch', 'an answer is not that of a $batch', pageAgain],
    ['batch_incomplete', 'the answer of a $batch lacks one of its requests', pageAgain],
    ['count_no_number', 'a count is no number', pageAgain],
  ]),
  ...entriesOf({ ...byOperator, retry: 'later', kind: 'malformed' }, [
    [
      'limited_information',
      'objects came reduced to their ids: the app has lost the permission to read what is in them',
      'Nothing of the page was written. Check that the app still has its read permissions: entra-sync consent verify {tenant}.',
    ],
    [
      'columns_cleared',
      'a full round came without a property for more than a fifth of those that have it',
      'Nothing was cleared. Check that the app still has its read permissions: entra-sync consent verify {tenant}. If it has, and so many have lost it: entra-sync holds limits {tenant} --percent 100 --until DATE.',
    ],
    [
      'oidc_malformed',
      "the login service's metadata names no tenant",
      'Compare LOGIN_URL (or MICROSOFT_CLOUD) with the cloud of this tenant.',
    ],
  ]),
  ...entriesOf({ ...byOperator, kind: 'foreign_origin' }, [
    [
      'foreign_link',
      'a link of an answer leads to another host; no token was sent there',
      'Compare GRAPH_URL (or MICROSOFT_CLOUD) with the cloud of this tenant; if it is right, report the link.',
    ],
    [
      'foreign_login',
      'a token request was about to go to another host; it was not sent',
      'Compare LOGIN_URL (or MICROSOFT_CLOUD) with the cloud of this tenant; if it is right, report it.',
    ],
    [
      'redirect_refused',
      'Graph answered with a redirect, which it never does; it was not followed',
      'Look for a proxy or captive portal between here and Graph.',
    ],
  ]),
  ...entriesOf({ ...byOperator, retry: 'soon', kind: 'fenced' }, [
    [
      'fenced',
      'another worker took over the sync of this Entra tenant; this one wrote nothing more',
      byItself,
    ],
  ]),
  ...entriesOf({ ...byOperator, retry: 'soon', kind: 'aborted' }, [
    ['aborted', 'a read was stopped before its end, as by a shutdown', byItself],
    ['worker_stops', 'the worker stops; what it was at goes on where it stopped', byItself],
  ]),
]
