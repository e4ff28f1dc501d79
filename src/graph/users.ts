import { z } from 'zod'
import {
  objectId,
  parseObjects,
  presentFields,
  refuseReduced,
  removalReason,
  removedSchema,
  type ParseOptions,
} from './objects.ts'

/** A user's properties that become columns of `persons`, in Graph's names. */
export interface UserFields {
  userPrincipalName: string | null
  mail: string | null
  displayName: string | null
  givenName: string | null
  surname: string | null
  jobTitle: string | null
  department: string | null
  companyName: string | null
  officeLocation: string | null
  usageLocation: string | null
  employeeId: string | null
  accountEnabled: boolean | null
  userType: string | null
  onPremisesSyncEnabled: boolean | null
  onPremisesSamAccountName: string | null
  onPremisesSecurityIdentifier: string | null
}

export interface License {
  skuId: string
  disabledPlans: string[]
}

export type UserChange =
  | { id: string; removed: 'changed' | 'deleted' }
  | {
      id: string
      /** Only what was present; null = cleared. */
      fields: Partial<UserFields>
      /** All licences of the user, direct and through groups; absent when the object did not tell. */
      licenses?: License[]
    }

const userFields = [
  'userPrincipalName',
  'mail',
  'displayName',
  'givenName',
  'surname',
  'jobTitle',
  'department',
  'companyName',
  'officeLocation',
  'usageLocation',
  'employeeId',
  'accountEnabled',
  'userType',
  'onPremisesSyncEnabled',
  'onPremisesSamAccountName',
  'onPremisesSecurityIdentifier',
] as const satisfies (keyof UserFields)[]

/** Where a full round of users begins. The set of properties is part of the delta token. */
export const usersStart = `/users/delta?$select=id,${userFields.join(',')},assignedLicenses`

const text = z.string().nullable().exactOptional()
const flag = z.boolean().nullable().exactOptional()

const usersSchema = z.array(
  z.object({
    id: z.string(),
    '@removed': removedSchema.optional(),
    userPrincipalName: text,
    mail: text,
    displayName: text,
    givenName: text,
    surname: text,
    jobTitle: text,
    department: text,
    companyName: text,
    officeLocation: text,
    usageLocation: text,
    employeeId: text,
    accountEnabled: flag,
    userType: text,
    onPremisesSyncEnabled: flag,
    onPremisesSamAccountName: text,
    onPremisesSecurityIdentifier: text,
    assignedLicenses: z
      .array(z.object({ skuId: z.string(), disabledPlans: z.array(z.string()).nullish() }))
      .optional(),
  }),
)

/** The changes of one page of users/delta, in its order. Throws kind malformed. */
export function parseUsers(value: unknown, options: ParseOptions = {}): UserChange[] {
  const resource = '/users/delta'
  return parseObjects(usersSchema, value, resource).map((user) => {
    const id = objectId(user.id, resource)
    const removed = user['@removed']
    if (removed) return { id, removed: removalReason(removed) }
    const fields = presentFields(user, userFields)
    const licenses = user.assignedLicenses
    refuseReduced(fields, licenses !== undefined && (!options.full || licenses.length > 0), options, resource)
    if (licenses === undefined) return { id, fields }
    return {
      id,
      fields,
      licenses: licenses.map((license) => ({
        skuId: objectId(license.skuId, resource),
        disabledPlans: (license.disabledPlans ?? []).map((plan) => objectId(plan, resource)),
      })),
    }
  })
}
