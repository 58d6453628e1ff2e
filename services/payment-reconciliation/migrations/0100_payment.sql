-- Payment reconciliation: references, bank files and their lines, and the books. The machines' tables (charge,
-- statement) have the shape that all machines have; charge stands here because two indexes look into its state.

create table charge (id uuid primary key, version bigint not null, state jsonb not null, wake_at timestamptz);
-- Which charges has this case? Asked when a case ends.
create index charge_case on charge ((state #>> '{ask,case}'));
-- Which charges may expire? Asked after each import.
create index charge_open on charge ((state #>> '{ask,settled_on}')) where state ->> 'status' = 'requested';

-- 振込番号. Given out once and never again, even when the charge is long gone: money can arrive late.
create table reference (
    reference text primary key constraint reference_form check (reference ~ '^[1-9][0-9]{9}$'),
    charge    uuid not null constraint reference_once_per_charge unique,
    given_at  timestamptz not null default now()
);

-- Our accounts at banks, as their files name them.
create table account (
    id              uuid primary key,
    bank            text not null,
    branch          text not null,
    kind            smallint not null,
    number          text not null,
    -- One booking source per account: money announced by type 01 and booked by type 03 would be counted twice.
    source          text not null constraint account_source check (source in ('01', '03')),
    -- All bookings up to and including this day are in.
    covered_through date not null,
    constraint account_once unique (bank, branch, kind, number)
);

-- An imported file. `object` is the file as received, sealed to this service's key (電子帳簿保存法: kept as received).
create table bank_file (
    statement   uuid primary key,
    digest      bytea not null constraint bank_file_once unique,
    object      uuid not null,
    profile     text not null,
    layout      text not null,
    imported_at timestamptz not null,
    imported_by uuid not null
);

-- Header to trailer: one account's part of a file, with its balances where the bank gives them.
create table bank_group (
    statement   uuid not null references bank_file (statement),
    position    int not null,
    account     uuid not null references account (id),
    booked_from date not null,
    booked_to   date not null,
    opening     bigint,
    closing     bigint,
    lines       int not null,
    primary key (statement, position)
);

-- 入出金明細. Only lines that no earlier file held; where files overlap, a line is known by its key and by how many of the
-- same came before it. `key` and `party` are keyed digests: they can be compared and tell nothing.
create table bank_line (
    id         uuid primary key,
    statement  uuid not null references bank_file (statement),
    record     int not null,
    account    uuid not null references account (id),
    key        bytea not null,
    occurrence int not null,
    party      bytea not null,
    direction  text not null constraint bank_line_direction check (direction in ('in', 'out')),
    sort       text not null constraint bank_line_sort check (sort in ('ordinary', 'cancellation', 'correction')),
    booked_on  date not null,
    value_on   date not null,
    amount     bigint not null constraint bank_line_amount check (amount >= 0),
    uncleared  bigint not null constraint bank_line_uncleared check (uncleared between 0 and amount),
    -- The earlier line that this one takes back (取消).
    takes_back uuid constraint bank_line_taken_back_once unique references bank_line (id),
    -- Payer's name, bank, branch and texts: personal, sealed under the statement's key of class payer.
    payer      bytea not null,
    constraint bank_line_once unique (statement, record),
    constraint bank_line_counted_once unique (account, key, occurrence)
);
create index bank_line_party on bank_line (party, amount);

-- Where a line was placed. The one table here that changes: certain -> allocated, certain -> waiting,
-- allocated -> taken-back; every change has its entry in the books or its event in the history.
create table placement (
    line   uuid primary key references bank_line (id),
    state  text not null constraint placement_state check (state in ('certain', 'allocated', 'waiting', 'taken-back')),
    charge uuid,
    reason text,
    -- Counts the allocations of the line: after a reversal it may be allocated again.
    round  int not null default 0,
    constraint placement_says_why check ((state = 'waiting') = (reason is not null)),
    constraint placement_says_what check (state not in ('certain', 'allocated') or charge is not null)
);
create index placement_certain on placement (line) where state = 'certain';

-- 仕訳. Insert only; undone by a reversing entry alone, and by one only.
create table ledger_entry (
    id       uuid primary key,
    kind     text not null constraint ledger_entry_kind check (kind in ('line', 'allocation', 'earning', 'reversal')),
    reverses uuid constraint ledger_entry_reversed_once unique references ledger_entry (id),
    line     uuid references bank_line (id),
    at       timestamptz not null,
    -- The message, staff command or wake-up that caused it.
    cause    uuid not null,
    constraint ledger_entry_reversal check ((kind = 'reversal') = (reverses is not null))
);
create table ledger_posting (
    entry    uuid not null references ledger_entry (id),
    position int not null,
    account  text not null constraint ledger_posting_account check (account in ('bank', 'suspense', 'advance', 'fee-income',
        'refundable', 'refund-payable', 'bank-fees', 'cash', 'cash-in-transit', 'cash-over-short')),
    charge   uuid,
    -- Yen; debits positive, credits negative.
    amount   bigint not null constraint ledger_posting_not_zero check (amount <> 0),
    primary key (entry, position),
    constraint ledger_posting_charge check ((account = 'advance') = (charge is not null))
);
create index ledger_posting_balance on ledger_posting (account, charge);

-- The books balance: at the end of the transaction every entry has two postings or more and they sum to zero. Checked for
-- entries and for postings, so that an entry without postings and a posting added later are both caught.
create function ledger_balances() returns trigger language plpgsql as $$
declare
    about uuid := (to_jsonb(new) ->> case tg_table_name when 'ledger_entry' then 'id' else 'entry' end)::uuid;
    postings bigint;
    total numeric;
begin
    select count(*), coalesce(sum(amount), 0) into postings, total from ledger_posting where entry = about;
    if postings < 2 or total <> 0 then
        raise exception 'ledger entry % has % postings that sum to %', about, postings, total using errcode = 'check_violation';
    end if;
    return null;
end $$;
create constraint trigger ledger_entry_balances after insert on ledger_entry
    deferrable initially deferred for each row execute function ledger_balances();
create constraint trigger ledger_posting_balances after insert on ledger_posting
    deferrable initially deferred for each row execute function ledger_balances();

create function books_are_insert_only() returns trigger language plpgsql as $$
begin
    raise exception '% is insert only: make a reversing entry', tg_table_name using errcode = 'check_violation';
end $$;
create trigger ledger_entry_insert_only before update or delete or truncate on ledger_entry
    for each statement execute function books_are_insert_only();
create trigger ledger_posting_insert_only before update or delete or truncate on ledger_posting
    for each statement execute function books_are_insert_only();
create trigger bank_line_insert_only before update or delete or truncate on bank_line
    for each statement execute function books_are_insert_only();
create trigger bank_file_insert_only before update or delete or truncate on bank_file
    for each statement execute function books_are_insert_only();
create trigger reference_insert_only before update or delete or truncate on reference
    for each statement execute function books_are_insert_only();
