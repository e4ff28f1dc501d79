export interface DirectoryRole {
  /** Template id, the same in every directory. */
  templateId: string
  /** null = none of those that are known here by name. */
  name: string | null
}

/**
 * Entra roles that GDAP relationships are made with, by template id.
 * @see https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
 */
const names: ReadonlyMap<string, string> = new Map([
  ['62e90394-69f5-4237-9190-012177145e10', 'Global Administrator'],
  ['9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3', 'Application Administrator'],
  ['158c047a-c907-4556-b7ef-446551a6b5f7', 'Cloud Application Administrator'],
  ['e8611ab8-c189-46e8-94e1-60213ab1f814', 'Privileged Role Administrator'],
  ['7be44c8a-adaf-4e2a-84d6-ab2649e08a13', 'Privileged Authentication Administrator'],
  ['c4e39bd9-1100-46d3-8c65-fb160da0071f', 'Authentication Administrator'],
  ['88d8e3e3-8f55-4a1e-953a-9b9898b8876b', 'Directory Readers'],
  ['9360feb5-f418-4baa-8175-e2a00bac4301', 'Directory Writers'],
  ['f2ef992c-3afb-46b9-b7cf-a126ee74c451', 'Global Reader'],
  ['4d6ac14f-3453-41d0-bef9-a3e0c569773a', 'License Administrator'],
  ['fe930be7-5e62-47db-91af-98c3a49a38b1', 'User Administrator'],
  ['fdd7a751-b60b-444a-984c-02652fe8fa1c', 'Groups Administrator'],
  ['729827e3-9c14-49f7-bb1b-9608f156bbb8', 'Helpdesk Administrator'],
  ['f023fd81-a637-4b56-95fd-791ac0226033', 'Service Support Administrator'],
  ['29232cdf-9323-42fd-ade2-1d097af3e4de', 'Exchange Administrator'],
  ['f28a1f50-f6e7-4571-818b-6a12f2af6b6c', 'SharePoint Administrator'],
  ['69091246-20e8-4a56-aa4d-066075b2a7a8', 'Teams Administrator'],
  ['3a2c62db-5318-420d-8d74-23affee5d9d5', 'Intune Administrator'],
  ['7698a772-787b-4ac8-901f-60d6b08affd2', 'Cloud Device Administrator'],
  ['194ae4cb-b126-40b2-bd5b-6091b380977d', 'Security Administrator'],
  ['5d6b6bb7-de71-4623-b4af-96380a352509', 'Security Reader'],
  ['b1be1c3e-b65d-4f19-8427-f6fa0d97feb9', 'Conditional Access Administrator'],
  ['b0f54661-2d74-4c50-afa3-1ec803f12efe', 'Billing Administrator'],
  ['8329153b-31d0-4727-b945-745eb3bc5f31', 'Domain Name Administrator'],
  ['4a5d8f65-41da-4de4-8968-e035b65339cf', 'Reports Reader'],
  ['790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b', 'Message Center Reader'],
])

const globalAdministrator = '62e90394-69f5-4237-9190-012177145e10'
/** Each of them may consent to an app in a customer's directory. */
export const mayConsent: readonly string[] = [
  '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
  '158c047a-c907-4556-b7ef-446551a6b5f7',
  globalAdministrator,
]
/** Each of them may grant application permissions of Graph. */
export const mayGrant: readonly string[] = ['e8611ab8-c189-46e8-94e1-60213ab1f814', globalAdministrator]

/** Whether the relationships that count hold the two roles that pre-consent needs, or what stands for them. */
export interface PreConsentRoles {
  /** Application Administrator: consents to the app. */
  applicationAdministrator: boolean
  /** Privileged Role Administrator: grants the app's permissions. */
  privilegedRoleAdministrator: boolean
}

/** By name, those without one last. */
export function rolesOf(templateIds: Iterable<string>): DirectoryRole[] {
  const ids = new Set([...templateIds].map((id) => id.toLowerCase()))
  return [...ids]
    .map((templateId) => ({ templateId, name: names.get(templateId) ?? null }))
    .toSorted((a, b) => compare(a.name ?? `~${a.templateId}`, b.name ?? `~${b.templateId}`))
}

export function preConsentRoles(roles: readonly DirectoryRole[]): PreConsentRoles {
  const holds = (wanted: readonly string[]) => roles.some(({ templateId }) => wanted.includes(templateId))
  return { applicationAdministrator: holds(mayConsent), privilegedRoleAdministrator: holds(mayGrant) }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
