/**
 * Keys of Postgres' advisory locks, all in one place: two of the same number would make strangers wait for each other.
 * Any constants would do, as long as they stay the same, since processes of all versions meet by them.
 */
export const advisoryLocks = {
  /** One migrator at a time. */
  migrating: 6_210_387_041,
  /** One change of links at a time. */
  links: 6_210_387_042,
  /** Resolutions share it; whoever changes deployments has it alone. */
  deployments: 6_210_387_043,
  /** Whoever appends to the change feed waits for the one before. */
  feed: 6_210_387_044,
  /** Whoever removes or unassigns shares it until the commit; a freeze waits for them. */
  removing: 6_210_387_045,
  /** Who begins a freeze by itself. */
  freezing: 6_210_387_046,
  /** Who looks whether the database was restored. */
  restoring: 6_210_387_047,
} as const

/** First of two keys, the second one being a hash of the family's id: one resolution of a family at a time. */
export const familyLock = 6_210_387
