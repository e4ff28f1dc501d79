import { DEVICES } from '../db/devices.ts'
import { mergeRows, type MergeRow } from '../db/merge.ts'
import { notePresent, pendRemovals } from '../db/seen.ts'
import { devicesStart, parseDevices, type DeviceChange } from '../graph/devices.ts'
import type { Collection } from './collections.ts'
import { columnsOf } from './columns.ts'

export const devices: Collection = {
  name: 'devices',
  required: false,
  delta: true,
  start: devicesStart,
  kinds: ['device'],
  stored: 'devices',
  table: DEVICES,
  parse(value, { full }) {
    const page = foldDevices(parseDevices(value, { full }))
    return async (db, round) => {
      const { entraTenantId, roundId } = round
      const device = { entraTenantId, roundId, kind: 'device' as const }
      await notePresent(
        db,
        { ...device, seen: false },
        page.rows.map((row) => [row.object_id]),
      )
      const { added, changed, unchanged } = await mergeRows(
        db,
        DEVICES,
        entraTenantId,
        page.rows,
        round.sweeps ? roundId : null,
      )
      await pendRemovals(db, device, page.removed)
      await pendRemovals(db, device, page.purged, true)
      return { added, changed, unchanged, linked: 0 }
    }
  },
}

/** One state per device out of a page in which it may occur several times. */
function foldDevices(changes: readonly DeviceChange[]): {
  rows: MergeRow[]
  removed: string[][]
  purged: string[][]
} {
  const rows = new Map<string, MergeRow>()
  const removed = new Map<string, boolean>()
  for (const change of changes) {
    if ('removed' in change) {
      removed.set(change.id, change.removed === 'deleted')
      rows.delete(change.id)
    } else {
      removed.delete(change.id)
      rows.set(change.id, { ...rows.get(change.id), ...columnsOf(change.fields), object_id: change.id })
    }
  }
  const gone = (purged: boolean) => [...removed].filter(([, reason]) => reason === purged).map(([id]) => [id])
  return { rows: [...rows.values()], removed: gone(false), purged: gone(true) }
}
