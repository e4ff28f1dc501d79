/** Design rule 8.9, in its order; which of two deployments wins is decided by the first of these in which they differ. */
export const scopes = ['individual', 'single_tenant', 'cross_tenant'] as const
/** Of one rank: a Team is a group. */
export const types = {
  computer: 1,
  person: 2,
  tag: 3,
  team: 4,
  group: 4,
  group_name: 5,
  license: 6,
  app_entitlement: 7,
  everyone: 8,
} as const
export const states = ['ignored', 'uninstalled', 'installed', 'update_if_found'] as const
