import type { MergeTable } from './merge.ts'

export const DEVICES: MergeTable = {
  name: 'devices',
  kind: 'device',
  keepsDeleted: false,
  columns: [
    { name: 'device_id', type: 'uuid' },
    { name: 'display_name', type: 'text' },
    { name: 'operating_system', type: 'text' },
    { name: 'account_enabled', type: 'boolean' },
  ],
}
