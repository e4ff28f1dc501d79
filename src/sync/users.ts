import { mergeLicenses, pendMissingLicenses, type LicenseRow } from '../db/licenses.ts'
import { mergeRows, type MergeRow } from '../db/merge.ts'
import { adoptPersons, assignTenants, PERSONS } from '../db/persons.ts'
import { followRenames } from '../db/primary-users.ts'
import { notePresent, pendRemovals } from '../db/seen.ts'
import { parseUsers, usersStart, type UserChange } from '../graph/users.ts'
import type { Collection } from './collections.ts'
import { columnsOf } from './columns.ts'

export const users: Collection = {
  name: 'users',
  required: true,
  delta: true,
  start: usersStart,
  kinds: ['person', 'license'],
  stored: 'persons',
  table: PERSONS,
  parse(value, { full }) {
    const page = foldUsers(parseUsers(value, { full }))
    return async (db, round) => {
      const { entraTenantId, roundId } = round
      const ids = page.rows.map((row) => row.object_id)
      const person = { entraTenantId, roundId, kind: 'person' as const }
      const license = { entraTenantId, roundId, kind: 'license' as const }
      await notePresent(
        db,
        { ...person, seen: false },
        ids.map((id) => [id]),
      )
      await notePresent(
        db,
        { ...license, seen: round.sweeps },
        page.licenses.map((row) => [row.object_id, row.sku_id]),
      )
      const ambiguous = await adoptPersons(db, entraTenantId, page.rows)
      await followRenames(db, entraTenantId, page.rows)
      const written = await mergeRows(db, PERSONS, entraTenantId, page.rows, round.sweeps ? roundId : null)
      const licenses = await mergeLicenses(db, entraTenantId, page.licenses)
      // A person that comes back comes whole: licences it does not name are those of its former life.
      const told = [...new Set([...page.licensed, ...written.restored])]
      await pendMissingLicenses(db, entraTenantId, roundId, told, page.licenses)
      await pendRemovals(db, person, page.removed)
      await pendRemovals(db, person, page.purged, true)
      if (written.added + written.changed > 0) await assignTenants(db, entraTenantId, ids)
      return {
        added: written.added,
        changed: written.changed,
        unchanged: written.unchanged,
        linked: licenses.added + licenses.changed,
        ambiguous,
      }
    }
  },
}

export interface UsersPage {
  rows: MergeRow[]
  /** Persons whose whole list of licences the page told, and all that those lists name. */
  licensed: string[]
  licenses: LicenseRow[]
  removed: string[][]
  purged: string[][]
}

/** One state per user out of a page in which it may occur several times: the last word counts, property by property. */
export function foldUsers(changes: readonly UserChange[]): UsersPage {
  const rows = new Map<string, MergeRow>()
  const licenses = new Map<string, Map<string, LicenseRow>>()
  const removed = new Map<string, boolean>()
  for (const change of changes) {
    if ('removed' in change) {
      removed.set(change.id, change.removed === 'deleted')
      rows.delete(change.id)
      licenses.delete(change.id)
      continue
    }
    removed.delete(change.id)
    rows.set(change.id, { ...rows.get(change.id), ...columnsOf(change.fields), object_id: change.id })
    if (change.licenses !== undefined) {
      licenses.set(
        change.id,
        new Map(
          change.licenses.map((license) => [
            license.skuId,
            { object_id: change.id, sku_id: license.skuId, disabled_plans: license.disabledPlans.toSorted() },
          ]),
        ),
      )
    }
  }
  const gone = (purged: boolean) => [...removed].filter(([, reason]) => reason === purged).map(([id]) => [id])
  return {
    rows: [...rows.values()],
    licensed: [...licenses.keys()],
    licenses: [...licenses.values()].flatMap((bySku) => [...bySku.values()]),
    removed: gone(false),
    purged: gone(true),
  }
}
