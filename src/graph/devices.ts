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

export interface DeviceFields {
  /** The device's own id; `id` is what group memberships hold. */
  deviceId: string | null
  displayName: string | null
  operatingSystem: string | null
  accountEnabled: boolean | null
}

export type DeviceChange =
  { id: string; removed: 'changed' | 'deleted' } | { id: string; fields: Partial<DeviceFields> }

const deviceFields = [
  'deviceId',
  'displayName',
  'operatingSystem',
  'accountEnabled',
] as const satisfies (keyof DeviceFields)[]

/** Where a full round of devices begins; needs Device.Read.All. */
export const devicesStart = `/devices/delta?$select=id,${deviceFields.join(',')}`

const devicesSchema = z.array(
  z.object({
    id: z.string(),
    '@removed': removedSchema.optional(),
    deviceId: z.string().nullable().exactOptional(),
    displayName: z.string().nullable().exactOptional(),
    operatingSystem: z.string().nullable().exactOptional(),
    accountEnabled: z.boolean().nullable().exactOptional(),
  }),
)

/** The changes of one page of devices/delta, in its order. Throws kind malformed. */
export function parseDevices(value: unknown, options: ParseOptions = {}): DeviceChange[] {
  const resource = '/devices/delta'
  return parseObjects(devicesSchema, value, resource).map((device) => {
    const id = objectId(device.id, resource)
    const removed = device['@removed']
    if (removed) return { id, removed: removalReason(removed) }
    const fields = presentFields(device, deviceFields)
    refuseReduced(fields, false, options, resource)
    // Old registrations hold other things than GUIDs here; the column takes GUIDs only.
    if (fields.deviceId != null) fields.deviceId = guidOrNull(fields.deviceId)
    return { id, fields }
  })
}

function guidOrNull(text: string): string | null {
  return z.guid().safeParse(text).success ? text.toLowerCase() : null
}
