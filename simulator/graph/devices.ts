import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { unknownSegment } from './answers.ts'
import { answerDelta } from './delta.ts'
import { countObjects, listObjects, readObject } from './directory-lists.ts'
import type { Collection } from './directory-lists.ts'
import { guarded } from './guard.ts'
import { deviceType } from './properties.ts'
import { rolesFor } from './roles.ts'

const devices: Collection = {
  collection: 'devices',
  type: deviceType,
  table: (directory) => directory.devices,
}

/** `/devices...`; `rest` are the segments after it. */
export function answerDevices(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const [id, child] = rest
  if (child !== undefined) return unknownSegment(child)
  if (id === 'delta') {
    return guarded(context, 'devices', rolesFor.devicesDelta, () => answerDelta(request, context, devices))
  }
  return guarded(context, 'devices', rolesFor.devices, () => {
    if (id === undefined) return listObjects(request, context, devices)
    if (id === '$count') return countObjects(request, context, devices)
    return readObject(request, context, devices, context.tenant.directory.devices.find(id), id)
  })
}
