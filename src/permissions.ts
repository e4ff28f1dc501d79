/** What a permission is wanted for. `required`: all of them, or Directory.Read.All in their place. */
export type PermissionNeed = 'required' | 'instead' | 'partner' | 'optional'

export interface Permission {
  /** An application permission (app role) of Microsoft Graph. */
  name: string
  /** Id of the app role, the same in every tenant. */
  id: string
  need: PermissionNeed
  /** What works with it, or what it stands for. */
  purpose: string
  /** Another permission that does as well. */
  or?: string
  /** Id of that one's app role. */
  orId?: string
}

/**
 * The application permissions that an app registration is given, the only list of them.
 * @see https://learn.microsoft.com/graph/permissions-reference
 */
export const permissions: readonly Permission[] = [
  {
    name: 'User.Read.All',
    id: 'df021288-bdef-4463-88db-98f22de89214',
    need: 'required',
    purpose: 'users and the organization',
  },
  {
    name: 'GroupMember.Read.All',
    id: '98830695-27a2-44f7-8c18-0c3ebc9698f6',
    need: 'required',
    purpose: 'groups with their members, and which of them are Teams',
  },
  {
    name: 'LicenseAssignment.Read.All',
    id: 'e2f98668-2877-4f38-a2f4-8202e0717aa1',
    need: 'required',
    purpose: 'licence SKUs with their service plans',
    or: 'Organization.Read.All',
    orId: '498476ce-e0fe-48b0-b801-37ba7e2685c6',
  },
  {
    name: 'Directory.Read.All',
    id: '7ab1d382-f21e-4acd-a863-ba3e13f7da61',
    need: 'instead',
    purpose: 'stands for the required ones; reads more than is needed',
  },
  {
    name: 'DelegatedAdminRelationship.Read.All',
    id: 'f6e9e124-4586-492f-adc0-c6f96e4823fd',
    need: 'partner',
    purpose: "the partner's GDAP customers and relationships; in the partner's tenant only",
  },
  {
    name: 'Application.Read.All',
    id: '9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30',
    need: 'partner',
    purpose: "when the app's credentials end, and whether its registration is right; not needed to sync",
  },
  {
    name: 'Device.Read.All',
    id: '7438b122-aefc-4978-80ed-43db9fcc7715',
    need: 'optional',
    purpose: 'devices, and devices that are members of groups',
  },
  {
    name: 'Member.Read.Hidden',
    id: '658aa5d8-239f-45c4-aa12-864f4fc7e490',
    need: 'optional',
    purpose: 'members of groups that hide them',
  },
  {
    name: 'Team.ReadBasic.All',
    id: '2280dda6-0bfd-44ee-a2f4-cb867cfc4c1e',
    need: 'optional',
    purpose: 'which Teams are archived',
  },
  {
    name: 'DeviceManagementManagedDevices.ReadWrite.All',
    id: '243333ab-4d21-40cb-a475-36241daa0842',
    need: 'optional',
    purpose: "ImmyBot's tasks Join AzureAD and Configure Directory; not used by the sync",
  },
]

/** A delegated permission: what the app may do as a partner user who has signed in. For pre-consent only. */
export interface DelegatedPermission {
  api: 'Microsoft Partner Center' | 'Microsoft Graph'
  name: string
  purpose: string
  /** Where it is consented to: in the partner's tenant for good, in each customer's until the permissions are granted. */
  where: string
}

const bootstrap = {
  api: 'Microsoft Graph',
  where: "the partner's tenant; each customer's too, taken back at once",
} as const

/** The delegated permissions that the app registration is given for pre-consent, the only list of them. */
export const delegatedPermissions: readonly DelegatedPermission[] = [
  {
    api: 'Microsoft Partner Center',
    name: 'user_impersonation',
    purpose: 'consenting to the app for a customer (first step)',
    where: "the partner's tenant",
  },
  {
    ...bootstrap,
    name: 'Application.Read.All',
    purpose: "finding the app in the customer's directory (second step)",
  },
  {
    ...bootstrap,
    name: 'AppRoleAssignment.ReadWrite.All',
    purpose: 'granting the application permissions (second step)',
  },
  {
    ...bootstrap,
    name: 'DelegatedPermissionGrant.ReadWrite.All',
    purpose: 'taking these delegated permissions back (last step)',
  },
]

/** Graph's delegated scopes that a customer's directory has for the time of a pre-consent. */
export const bootstrapScopes: readonly string[] = delegatedPermissions
  .filter(({ api }) => api === 'Microsoft Graph')
  .map(({ name }) => name)
