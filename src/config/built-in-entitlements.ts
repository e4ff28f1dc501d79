/** What migration 0014 brings, so that a file is judged before a database is there. A test compares the two. */
export const builtInEntitlements: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  [
    'm365_apps_enterprise',
    new Map([
      ['43de0ff5-c92c-492b-9116-175376d08c38', 'OFFICESUBSCRIPTION'],
      ['de9234ff-6483-44d9-b15e-dca72fdd27af', 'OFFICESUBSCRIPTION_GOV'],
    ]),
  ],
  [
    'm365_apps_business',
    new Map([
      ['094e7854-93fc-4d55-b2c0-3ab5369ebdc1', 'OFFICE_BUSINESS'],
      ['8ca59559-e2ca-470b-b7dd-afd8c0dee963', 'OFFICE_PRO_PLUS_SUBSCRIPTION_SMBIZ'],
    ]),
  ],
  [
    'project_desktop',
    new Map([
      ['fafd7243-e5c1-4a3a-9e40-495efcb1d3c3', 'PROJECT_CLIENT_SUBSCRIPTION'],
      ['45c6831b-ad74-4c7f-bd03-7c2b3fa39067', 'PROJECT_CLIENT_SUBSCRIPTION_GOV'],
    ]),
  ],
  [
    'visio_desktop',
    new Map([
      ['663a804f-1c30-4ff0-9915-9db84f0d1cea', 'VISIO_CLIENT_SUBSCRIPTION'],
      ['f85945f4-7a55-4009-bc39-6a5f14a8eac1', 'VISIO_CLIENT_SUBSCRIPTION_GOV'],
    ]),
  ],
])
