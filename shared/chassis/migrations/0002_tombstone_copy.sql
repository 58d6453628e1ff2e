-- Which keys of this service were destroyed, and when: a copy of the key database's tombstones, kept apart from it. If the
-- key database is ever taken back to an older backup, the erasures are repeated from here before the service serves.
-- Ids, classes and times; nothing personal. Empty in a schema whose service has no keys.
create table tombstone_copy (
    unit  uuid not null,
    class text not null,
    at    timestamptz not null,
    primary key (unit, class)
);
