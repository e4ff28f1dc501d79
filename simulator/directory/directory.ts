import { guid, seededRandom } from '../random.ts'
import type { Random } from '../random.ts'
import type { MemberType, Truth, TruthSku } from '../types.ts'
import { effectiveLicenses, sameLicenses } from './licenses.ts'
import { ObjectTable } from './object-table.ts'
import { newObject, updateObject } from './properties.ts'
import type {
  DeviceFields,
  DirectoryDevice,
  DirectoryGroup,
  DirectoryUser,
  GroupFields,
  LicenseAssignment,
  UserFields,
} from './objects.ts'
import { readTruth } from './truth.ts'

/**
 * One tenant's directory, in memory. Every mutation takes effect at once and is appended to the log of its table, which
 * is what delta tokens count in. Mutating what isn't there throws.
 */
export class Directory {
  readonly tenantId: string
  displayName: string
  readonly domains: readonly string[]
  readonly users: ObjectTable<DirectoryUser>
  readonly groups: ObjectTable<DirectoryGroup>
  readonly devices: ObjectTable<DirectoryDevice>
  readonly createdAt: number
  readonly #clock: () => number
  readonly #random: Random
  readonly #skus = new Map<string, Omit<TruthSku, 'consumed'>>()
  readonly #consumed = new Map<string, number>()
  readonly #userNames = new Map<string, DirectoryUser>()

  constructor(options: {
    tenantId: string
    displayName: string
    domains: readonly string[]
    /** Milliseconds since 1970. */
    clock?: () => number
  }) {
    this.tenantId = options.tenantId
    this.displayName = options.displayName
    this.domains = options.domains
    this.#clock = options.clock ?? Date.now
    this.createdAt = this.#clock()
    this.#random = seededRandom(Number.parseInt(options.tenantId.replaceAll('-', '').slice(0, 8), 16))
    this.users = new ObjectTable(this.#clock)
    this.groups = new ObjectTable(this.#clock)
    this.devices = new ObjectTable(this.#clock)
  }

  /** Adds a user; without an id it gets the next one of the tenant's own sequence. Returns the id. */
  addUser(fields: UserFields): string {
    const base = newObject(this.users, this.#id(fields), fields, { accountEnabled: true })
    const user: DirectoryUser = { ...base, assignments: [], licenses: [] }
    user.properties['userPrincipalName'] ??= `${user.id}@${this.domains[0]}`
    this.users.add(user)
    this.#index(user)
    return user.id
  }

  updateUser(id: string, fields: UserFields): void {
    const user = this.users.get(id)
    this.#unindex(user)
    updateObject(this.users, user, fields)
    this.#index(user)
  }

  /** Soft: for 30 days it can be restored, stays a member of its groups, and frees its licences. */
  deleteUser(id: string): void {
    const user = this.users.get(id)
    this.#unindex(user)
    this.#count(user, -1)
    this.users.move(user, 'deleted')
  }

  restoreUser(id: string): boolean {
    const user = this.users.find(id)
    if (user?.state !== 'deleted') return false
    this.users.move(user, 'restored')
    this.#index(user)
    this.#count(user, 1)
    return true
  }

  /** For good. Its memberships go with it, and the groups' log does not tell of that. */
  purgeUser(id: string): void {
    const user = this.users.find(id)
    if (user === undefined || user.state === 'purged') throw new Error(`There is no user ${id} to purge`)
    if (user.state === 'live') this.deleteUser(id)
    this.users.move(user, 'purged')
    this.#leaveAll(user.id)
  }

  addGroup(fields: GroupFields): string {
    const base = newObject(this.groups, this.#id(fields), fields, {
      mailEnabled: false,
      securityEnabled: true,
      groupTypes: [],
      resourceProvisioningOptions: [],
    })
    const group: DirectoryGroup = { ...base, members: new Map(), nextEdge: 1 }
    this.groups.add(group)
    return group.id
  }

  updateGroup(id: string, fields: GroupFields): void {
    updateObject(this.groups, this.groups.get(id), fields)
  }

  /** Microsoft 365 groups are restorable for 30 days, all others are gone for good. */
  deleteGroup(id: string): void {
    const group = this.groups.get(id)
    const { groupTypes } = group.properties
    if (Array.isArray(groupTypes) && groupTypes.includes('Unified')) this.groups.move(group, 'deleted')
    else this.#purgeGroup(group)
  }

  /** False if there is nothing to restore, as with a security group. */
  restoreGroup(id: string): boolean {
    const group = this.groups.find(id)
    if (group?.state !== 'deleted') return false
    this.groups.move(group, 'restored')
    return true
  }

  purgeGroup(id: string): void {
    const group = this.groups.find(id)
    if (group === undefined || group.state === 'purged') throw new Error(`There is no group ${id} to purge`)
    this.#purgeGroup(group)
  }

  /** Adds a direct member; `type` is needed for what the directory doesn't hold (service principals, contacts). */
  addMember(groupId: string, memberId: string, type?: MemberType): void {
    const group = this.groups.get(groupId)
    const id = memberId.toLowerCase()
    const known = type ?? this.typeOf(id)
    if (known === null) throw new Error(`The directory has no object ${memberId} to be a member`)
    if (group.members.has(id)) return
    group.members.set(id, { memberId: id, type: known, seq: group.nextEdge })
    group.nextEdge += 1
    this.groups.record(group, 'member', [], id)
  }

  removeMember(groupId: string, memberId: string): void {
    const group = this.groups.get(groupId)
    const id = memberId.toLowerCase()
    if (!group.members.delete(id)) return
    this.groups.record(group, 'member', [], id)
  }

  addDevice(fields: DeviceFields): string {
    const device = newObject(this.devices, this.#id(fields), fields, { accountEnabled: true })
    device.properties['deviceId'] ??= guid(this.#random)
    this.devices.add(device)
    return device.id
  }

  updateDevice(id: string, fields: DeviceFields): void {
    updateObject(this.devices, this.devices.get(id), fields)
  }

  /** For good, memberships included. */
  deleteDevice(id: string): void {
    const device = this.devices.get(id)
    this.devices.move(device, 'purged')
    this.#leaveAll(device.id)
  }

  /** All assignments of a user, replacing those before. A change of sources alone does not surface in delta. */
  setLicenses(userId: string, assignments: readonly LicenseAssignment[]): void {
    const user = this.users.get(userId)
    const licenses = effectiveLicenses(assignments)
    const changed = !sameLicenses(licenses, user.licenses)
    this.#count(user, -1)
    user.assignments = assignments.map((each) => ({ ...each, disabledPlans: [...each.disabledPlans] }))
    user.licenses = licenses
    this.#count(user, 1)
    if (changed) this.users.record(user, 'updated', ['assignedLicenses', 'assignedPlans'])
  }

  /** Adds or replaces a subscription. */
  setSku(sku: Omit<TruthSku, 'consumed'>): void {
    this.#skus.set(sku.skuId, sku)
  }

  removeSku(skuId: string): void {
    this.#skus.delete(skuId)
  }

  listSkus(): TruthSku[] {
    return [...this.#skus.values()].map((sku) => ({ ...sku, consumed: this.#consumed.get(sku.skuId) ?? 0 }))
  }

  /** What is there now was there long ago: a knob that delays changes does not hide it. */
  settle(): void {
    for (const table of [this.users, this.groups, this.devices]) table.settle()
  }

  findUserByName(userPrincipalName: string): DirectoryUser | undefined {
    return this.#userNames.get(userPrincipalName.toLowerCase())
  }

  /** Live groups that the object is a direct member of. */
  groupsOf(memberId: string): DirectoryGroup[] {
    const id = memberId.toLowerCase()
    return this.groups.order.filter(({ state, members }) => state === 'live' && members.has(id))
  }

  /** null for what the directory never held. */
  typeOf(id: string): MemberType | null {
    if (this.users.find(id) !== undefined) return 'user'
    if (this.groups.find(id) !== undefined) return 'group'
    return this.devices.find(id) === undefined ? null : 'device'
  }

  truth(): Truth {
    return readTruth(this)
  }

  #id(fields: { id?: string }): string {
    return (fields.id ?? guid(this.#random)).toLowerCase()
  }

  #purgeGroup(group: DirectoryGroup): void {
    this.groups.move(group, 'purged')
    group.members.clear()
    this.#leaveAll(group.id)
  }

  #leaveAll(memberId: string): void {
    for (const group of this.groups.order) group.members.delete(memberId)
  }

  #index(user: DirectoryUser): void {
    this.#userNames.set(String(user.properties['userPrincipalName']).toLowerCase(), user)
  }

  #unindex(user: DirectoryUser): void {
    const name = String(user.properties['userPrincipalName']).toLowerCase()
    if (this.#userNames.get(name) === user) this.#userNames.delete(name)
  }

  #count(user: DirectoryUser, by: number): void {
    for (const { skuId } of user.licenses) this.#consumed.set(skuId, (this.#consumed.get(skuId) ?? 0) + by)
  }
}
