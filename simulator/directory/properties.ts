import type { ObjectTable } from './object-table.ts'
import type { DirectoryObject } from './objects.ts'

/** A live object for the end of the table; `defaults` is taken over. */
export function newObject<T extends DirectoryObject>(
  table: ObjectTable<T>,
  id: string,
  given: object,
  defaults: Record<string, unknown>,
): DirectoryObject {
  const properties = defaults
  properties['createdDateTime'] = table.timestamp()
  // A new object has properties or has them not; null would say "cleared".
  for (const [name, value] of Object.entries(given)) {
    if (value != null && name !== 'id') properties[name] = value
  }
  return {
    id,
    index: table.order.length,
    state: 'live',
    properties,
    deletedAt: null,
    createdSeq: 0,
    lastSeq: 0,
  }
}

/** Sets properties and logs those that differ from before; nothing is logged when none does. */
export function updateObject<T extends DirectoryObject>(
  table: ObjectTable<T>,
  object: T,
  fields: object,
): void {
  const names: string[] = []
  for (const [name, value] of Object.entries(fields)) {
    const before = object.properties[name]
    if (name === 'id' || value === undefined) continue
    if (JSON.stringify(before ?? null) === JSON.stringify(value)) continue
    object.properties[name] = value
    names.push(name)
  }
  if (names.length > 0) table.record(object, 'updated', names)
}
