import type { Device, Group, User } from '@microsoft/microsoft-graph-types'
import type { MemberType, TruthDevice, TruthGroup, TruthLicense, TruthUser } from '../types.ts'

/** What is kept of a directory object that was deleted: restorable for 30 days, or nothing but its id. */
export type ObjectState = 'live' | 'deleted' | 'purged'

/** One object of a directory. It keeps its place for good, also when purged: cursors of running reads count on it. */
export interface DirectoryObject {
  readonly id: string
  readonly index: number
  state: ObjectState
  /**
   * Properties under Graph's names. Absent = never set (delta leaves it out), null = set once and cleared (delta says
   * null).
   */
  properties: Record<string, unknown>
  deletedAt: number | null
  /** Seq of its first and of its latest change in the table's log. */
  createdSeq: number
  lastSeq: number
}

export interface LicenseAssignment {
  skuId: string
  disabledPlans: readonly string[]
  /** Object id of the group that brings it; left out = directly assigned. */
  assignedByGroup?: string
}

export interface DirectoryUser extends DirectoryObject {
  assignments: readonly LicenseAssignment[]
  /** Union over the assignments, what Graph calls assignedLicenses. */
  licenses: readonly TruthLicense[]
}

export interface Edge {
  memberId: string
  type: MemberType
  /** Grows with every member of the group: a read that goes on after it misses none. */
  seq: number
}

export interface DirectoryGroup extends DirectoryObject {
  /** Direct members in the order of joining. */
  members: Map<string, Edge>
  nextEdge: number
}

export type DirectoryDevice = DirectoryObject

/** Texts under names that Microsoft's types know of the entity. */
type Texts<Entity, K extends string & keyof Entity> = Partial<Record<K, string | null>>

/** Properties that a user may be given; null = not set. */
export type UserFields = Partial<Omit<TruthUser, 'licenses' | 'licenseSources'>> &
  Texts<User, 'mailNickname' | 'mobilePhone' | 'preferredLanguage' | 'employeeType' | 'city' | 'country'> &
  Texts<User, 'state' | 'postalCode' | 'streetAddress' | 'creationType' | 'externalUserState'> &
  Texts<User, 'onPremisesImmutableId' | 'onPremisesDomainName' | 'onPremisesUserPrincipalName'> & {
    proxyAddresses?: string[]
    otherMails?: string[]
    businessPhones?: string[]
  }

export type GroupFields = Partial<TruthGroup> &
  Texts<Group, 'description' | 'membershipRule' | 'membershipRuleProcessingState' | 'classification'> & {
    isAssignableToRole?: boolean | null
    /** Told by /teams/{id} only. */
    isArchived?: boolean
  }

export type DeviceFields = Partial<TruthDevice> &
  Texts<Device, 'operatingSystemVersion' | 'trustType' | 'profileType' | 'manufacturer' | 'model'> & {
    isCompliant?: boolean | null
    isManaged?: boolean | null
  }
