import { enabledPlans } from './service-plans.ts'
import type { DirectoryObject, DirectoryUser } from '../directory/objects.ts'
import { licenseSources } from '../directory/licenses.ts'
import type { Directory } from '../directory/directory.ts'
import type { EntityType } from './properties.ts'

/**
 * An object's property as Graph tells it: undefined = never set, null = cleared. Licences are worked out, all else is
 * stored.
 */
export function propertyOf(
  object: DirectoryObject,
  name: string,
  type: EntityType,
  directory: Directory,
): unknown {
  if (name === 'id') return object.id
  if (name === 'deletedDateTime') {
    return object.deletedAt === null ? undefined : `${new Date(object.deletedAt).toISOString().slice(0, 19)}Z`
  }
  if (type.name === 'user' && name in fromLicenses) {
    return fromLicenses[name]?.(object as DirectoryUser, directory)
  }
  const value = object.properties[name]
  return value === undefined && type.collections.has(name) ? [] : value
}

const fromLicenses: Record<string, (user: DirectoryUser, directory: Directory) => unknown> = {
  assignedLicenses: ({ licenses }) =>
    licenses.map(({ skuId, disabledPlans }) => ({ disabledPlans: [...disabledPlans], skuId })),
  licenseAssignmentStates: (user) =>
    licenseSources(user.assignments).map(({ skuId, assignedByGroup, state }, at) => ({
      skuId,
      assignedByGroup,
      disabledPlans: [...(user.assignments[at]?.disabledPlans ?? [])],
      state,
      error: 'None',
      lastUpdatedDateTime: user.properties['createdDateTime'],
    })),
  assignedPlans: (user, directory) =>
    enabledPlans(user, directory).map(({ servicePlanId, servicePlanName }) => ({
      assignedDateTime: user.properties['createdDateTime'],
      capabilityStatus: 'Enabled',
      service: servicePlanName.startsWith('EXCHANGE') ? 'exchange' : 'MicrosoftOffice',
      servicePlanId,
    })),
}

/** Whole object as lists and reads by id tell it: null for what is not set. */
export function renderObject(
  object: DirectoryObject,
  names: readonly string[] | null,
  type: EntityType,
  directory: Directory,
  may: (name: string) => boolean = () => true,
): Record<string, unknown> {
  const told: Record<string, unknown> = {}
  for (const name of names ?? type.defaults ?? type.properties) {
    told[name] = may(name) ? (propertyOf(object, name, type, directory) ?? null) : null
  }
  return told
}

/** What comes of an object whose type the app may not read: id and type, nulls for the rest, and no error. */
export function renderReduced(
  id: string,
  names: readonly string[] | null,
  type: EntityType,
): Record<string, unknown> {
  const told: Record<string, unknown> = { '@odata.type': `#microsoft.graph.${type.name}`, id }
  for (const name of names ?? type.defaults ?? type.properties) {
    if (name !== 'id') told[name] = type.collections.has(name) ? [] : null
  }
  return told
}
