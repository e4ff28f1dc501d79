-- How other programs read the change feed.

create function read_target_changes(after_seq bigint, max int default 1000, only_tenant uuid default null)
returns setof target_changes
language plpgsql stable as $$
declare
  feed entra_sync.target_feed;
begin
  -- Compared with null nothing is newer, and such a reader would wait for ever.
  if after_seq is null then
    raise exception 'after_seq is null' using errcode = 'null_value_not_allowed', hint = 'Take the seq of a snapshot, or 0.';
  end if;
  select * into feed from entra_sync.target_feed;
  if after_seq < feed.floor_seq then
    raise exception 'feed_truncated: changes up to % are no longer kept, and % was asked for', feed.floor_seq, after_seq
      using errcode = 'ES001', hint = 'Take read_target_snapshot() and go on from its seq.';
  end if;
  if after_seq > feed.last_seq then
    raise exception 'feed_rewound: the feed ends at %, and % was asked for', feed.last_seq, after_seq
      using errcode = 'ES002', hint = 'The database was restored from a backup: take read_target_snapshot() and go on from its seq.';
  end if;
  return query
    select c.* from entra_sync.target_changes c
    where c.seq > after_seq and c.seq <= feed.last_seq and (only_tenant is null or c.tenant_id = only_tenant) order by c.seq limit max;
end
$$;
comment on function read_target_changes is 'Changes after a seq, in order, at most max; of all tenants or of one. Raises feed_truncated (ES001) for what is no longer kept, feed_rewound (ES002) for what has never been.';

create function read_target_snapshot()
returns table (seq bigint, tenant_id uuid, subject_kind text, subject_id uuid, item_id uuid, deployment_id uuid, scope text,
  version text, desired_state text, enforcement text, reason jsonb, since timestamptz)
language sql stable as $$
  select f.last_seq, t.tenant_id, t.subject_kind, t.subject_id, t.item_id, t.deployment_id, t.scope, t.version,
    t.desired_state, t.enforcement, t.reason, t.since
  from entra_sync.target_feed f left join entra_sync.deployment_targets t on true
$$;
comment on function read_target_snapshot is 'All targets, and the seq at which they are true: changes after it lead on from here. Without any target one row with the seq alone.';
