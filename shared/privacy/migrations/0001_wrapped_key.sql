-- The key database of one service. Runs with search_path = the service's schema, hence no schema names here.
-- Nothing in here is personal data; everything in here decides whether personal data can still be read.

-- One row per unit (the thing whose retention ends as one: a case, a paper, a register entry) and record class.
-- A row is a key or a tombstone and can never be both: the primary key and the check hold that, whoever races with whom.
create table wrapped_key (
    unit      uuid        not null,
    class     text        not null check (class ~ '^[a-z][a-z-]{0,31}$'),
    -- the data key, wrapped by the master key; null once it is erased
    wrapped   bytea       check (octet_length(wrapped) between 32 and 4096),
    -- which master key wrapped it (a fingerprint, not a secret)
    master    text        check (octet_length(master) between 1 and 128),
    made_at   timestamptz not null default now(),
    -- when it was last handed out while still unused; a sweep leaves it alone for a day after that
    asked_at  timestamptz not null default now(),
    -- set by the sweep when the owner says that rows sealed with it exist; never unset
    used      boolean     not null default false,
    erased_at timestamptz,
    primary key (unit, class),
    constraint key_or_tombstone check ((erased_at is null) = (wrapped is not null) and (wrapped is null) = (master is null))
)
-- A dead tuple still holds the wrapped key: erasing updates in place where it can (room on the page), and vacuum comes early.
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);

create index wrapped_key_unused on wrapped_key (asked_at) where not used and erased_at is null;
-- "is there a key of another master key?" at start, by its two ends
create index wrapped_key_master on wrapped_key (master) where master is not null;
create index wrapped_key_erased on wrapped_key (erased_at, unit, class) where erased_at is not null;

-- What was erased and when: to be carried apart from this database and replayed after a restore of it.
create view tombstone as select unit, class, erased_at as at from wrapped_key where erased_at is not null;

-- A tombstone is for ever: no update brings a key back, no delete makes room for a new one, not even by the owner's mistake.
create function tombstone_stays() returns trigger language plpgsql as $$
begin
    raise exception 'a tombstone stays' using errcode = 'restrict_violation', constraint = 'tombstone_stays';
end $$;
create trigger tombstone_stays before delete or update on wrapped_key
    for each row when (old.erased_at is not null) execute function tombstone_stays();
