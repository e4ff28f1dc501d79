import type { Directory } from './directory/directory.ts'
import type { AppRegistration } from './registrations.ts'

/** One request to Graph, after the token was checked and before anything is answered. */
export interface SimRequest {
  method: string
  /** Decoded pathname after `/v1.0`, as `/users/delta`. */
  path: string
  query: URLSearchParams
  /** Names in lower case. */
  headers: Record<string, string>
  body: string
}

/** An answer; `body` is sent as JSON unless it is a string (plain text) or undefined (empty). */
export interface SimResponse {
  status: number
  headers: Record<string, string>
  body: unknown
}

/** The collections that delta queries and faults are named by. */
export type SimCollection = 'users' | 'groups' | 'devices' | 'subscribedSkus' | 'organization' | 'teams'

/**
 * How a tenant's delta and list answers misbehave. Everything here is documented or observed behaviour of Graph, or an
 * attack that a client must survive (foreign and looping links). The zero values mean: well behaved.
 */
export interface DeltaKnobs {
  /** Share (0..1) of delta rounds that also send objects again which an earlier round already told. */
  replays: number
  /** Share (0..1) of a page's objects that occur a second time, on the same or a later page of the round. */
  duplicates: number
  /** Objects come in an order of their own, members before their groups' other occurrences. */
  shuffle: boolean
  /** Most `members@delta` entries in one occurrence of a group; the rest follow on later pages. null = Graph's own split. */
  splitMembers: number | null
  /** Share (0..1) of pages that are empty and carry just a nextLink. */
  emptyPages: number
  /** Changes become visible to delta and lists this many milliseconds after they were made. */
  lateMs: number
  /** A delta token is refused: 410 with Location and `syncStateNotFound`, or 400 with that code. */
  expiredDeltaToken: 410 | 400 | null
  /** A page token is refused: 400 `Directory_ExpiredPageToken`. */
  expiredPageToken: boolean
  /** Origin put into nextLinks instead of the cloud's own, as `https://evil.example`. */
  foreignNextLink: string | null
  /** The nextLink of a page is that page's own link. */
  nextLinkLoop: boolean
  /** `value` is an object instead of an array. */
  valueNotArray: boolean
  /** Collections whose objects (or members) come back with id and `@odata.type` only, as if a type's permission were missing. */
  reduced: SimCollection[]
  /** Collections that answer 403 `Authorization_RequestDenied`. */
  forbidden: SimCollection[]
  /** Objects a page when no $top says less; null = Graph's own size. */
  pageSize: number | null
}

/** What the Graph code may ask about this tenant's faults. */
export interface FaultView {
  readonly knobs: Readonly<DeltaKnobs>
  /** Says that a knob has just been applied: one set for the next N times is back at zero after the N-th. */
  readonly applied: (knob: keyof DeltaKnobs) => void
  /** Reproducible random number in [0, 1), from the cloud's seed. */
  readonly random: () => number
}

/** Whether a request may be answered: throttling and status faults have their word first. */
export interface Admission {
  /** The answer to give instead (429, 503, ...); null = go on. */
  refusal: SimResponse | null
  /** Headers to add to the answer, as `x-ms-resource-unit`. */
  headers: Record<string, string>
}

/** The user of a delegated token, with the directory roles (template ids) they hold in the token's tenant. */
export interface GraphCaller {
  id: string
  homeTenantId: string
  directoryRoles: string[]
}

/** What answering one Graph request needs to know. */
export interface GraphContext {
  tenant: TenantHandle
  /** `https://localhost:PORT`, the start of every link. */
  origin: string
  /** App roles of the token. */
  roles: string[]
  /** Client id of the token. */
  appId: string
  /** Who is signed in; null for a token of the app itself. */
  user: GraphCaller | null
  /** All app registrations there are, the multi-tenant one first. */
  registrations: readonly AppRegistration[]
  /** Delay of roles that are granted now. */
  rolesDelayMs: number
  faults: FaultView
  /** To be asked for every request inside a `$batch`; the server asks it itself for all others. */
  admit(request: SimRequest): Admission
  /** Answers `/tenantRelationships/...`; the caller has not checked any role. */
  tenantRelationships(request: SimRequest): SimResponse
  /** Answers `/contracts`; the caller has not checked any role. */
  contracts(request: SimRequest): SimResponse
  /** Milliseconds since 1970 by the cloud's clock. */
  now(): number
}

/** Why an app gets no token for a tenant; `ready` = it does. `tenant-gone` of the Default app is so for all apps. */
export type AppState = 'ready' | 'no-service-principal' | 'disabled' | 'blocked-by-policy' | 'tenant-gone'

/** One app in one tenant: the service principal and what is granted to it. */
export interface TenantApp {
  state: AppState
  /** Object id of the service principal in this tenant. */
  servicePrincipalId: string
  /** Granted app roles by name, as `User.Read.All`; may be changed at any time, tokens issued before keep theirs. */
  roles: string[]
  /** Roles that tokens show until then instead: a grant takes its time to arrive. */
  late: { roles: string[]; until: number } | null
  /** Delegated scopes consented for everybody (AllPrincipals), one a resource. */
  delegated: DelegatedGrant[]
}

/** Object ids of security groups: members of the first may use Partner Center, the others hold roles at customers. */
export interface PartnerGroups {
  adminAgents: string
  applicationAdministrators: string
  privilegedRoleAdministrators: string
}

export interface DelegatedGrant {
  id: string
  resourceAppId: string
  scopes: string[]
}

export type RelationshipStatus =
  | 'created'
  | 'approvalPending'
  | 'approved'
  | 'activating'
  | 'active'
  | 'expiring'
  | 'terminationRequested'
  | 'terminating'
  | 'expired'
  | 'terminated'

/** A GDAP relationship as its partner sees it, plus what its access assignments grant. */
export interface GdapRelationship {
  id: string
  /** The one partner that has it and sees it. */
  partnerTenantId: string
  displayName: string
  customerTenantId: string
  status: RelationshipStatus
  /** Role template ids. */
  roles: string[]
  createdAt: Date
  activatedAt: Date | null
  endsAt: Date | null
  /** ISO 8601; `P180D`, or `PT0S` for never. */
  autoExtendDuration: string
  duration: string
  assignments: GdapAssignment[]
}

export interface GdapAssignment {
  id: string
  status: 'pending' | 'active' | 'deleting' | 'deleted' | 'error'
  /** Security group in the partner tenant. */
  groupId: string
  roles: string[]
}

/** One simulated tenant. Its directory is filled when it is first looked at. */
export interface TenantHandle {
  readonly id: string
  displayName: string
  defaultDomain: string
  /** All verified domains, the default one and `*.onmicrosoft.com` among them. */
  readonly domains: readonly string[]
  /** Users it is seeded with; known without filling the directory. Decides the quota class. */
  readonly userCount: number
  readonly directory: Directory
  /** The multi-tenant (Default) app here: `appOf` its client id. */
  readonly app: TenantApp
  /** Every app that was ever looked for here, by client id in lower case. */
  readonly apps: ReadonlyMap<string, TenantApp>
  /** An app here, by client id, case-blind; without consent its state is `no-service-principal`. */
  appOf(clientId: string): TenantApp
  /** The groups that a partner's people act by; null = this tenant is no partner. */
  readonly partnerGroups: PartnerGroups | null
  /** Relationships of this customer with its partners; empty for a partner. */
  gdap: GdapRelationship[]
  /** Partners in whose lists of customers this one is missing, whatever its relationships are. */
  readonly unlistedFor: Set<string>
}

export interface TruthLicense {
  skuId: string
  disabledPlans: string[]
}

export interface TruthLicenseSource {
  skuId: string
  /** Object id of the group; null = assigned directly. */
  assignedByGroup: string | null
  state: string
}

export interface TruthUser {
  id: string
  userPrincipalName: string
  displayName: string | null
  mail: string | null
  givenName: string | null
  surname: string | null
  jobTitle: string | null
  department: string | null
  companyName: string | null
  officeLocation: string | null
  usageLocation: string | null
  employeeId: string | null
  accountEnabled: boolean
  userType: string | null
  onPremisesSyncEnabled: boolean | null
  onPremisesSamAccountName: string | null
  onPremisesSecurityIdentifier: string | null
  licenses: TruthLicense[]
  licenseSources: TruthLicenseSource[]
}

export interface TruthGroup {
  id: string
  displayName: string | null
  mail: string | null
  mailNickname: string | null
  mailEnabled: boolean
  securityEnabled: boolean
  groupTypes: string[]
  resourceProvisioningOptions: string[]
  visibility: string | null
  onPremisesSyncEnabled: boolean | null
}

export type MemberType = 'user' | 'group' | 'device' | 'service_principal' | 'contact'

export interface TruthMember {
  groupId: string
  memberId: string
  memberType: MemberType
}

export interface TruthDevice {
  id: string
  deviceId: string
  displayName: string | null
  operatingSystem: string | null
  accountEnabled: boolean
}

export interface TruthServicePlan {
  servicePlanId: string
  servicePlanName: string
  provisioningStatus: string
}

export interface TruthSku {
  skuId: string
  skuPartNumber: string
  capabilityStatus: string
  enabled: number
  consumed: number
  suspended: number
  warning: number
  servicePlans: TruthServicePlan[]
}

/**
 * What a tenant holds now: live objects; edges of live groups, where those to soft-deleted users stay
 * (Graph keeps them) and those to purged objects are gone.
 */
export interface Truth {
  tenantId: string
  displayName: string
  domains: string[]
  users: TruthUser[]
  groups: TruthGroup[]
  members: TruthMember[]
  devices: TruthDevice[]
  skus: TruthSku[]
}
