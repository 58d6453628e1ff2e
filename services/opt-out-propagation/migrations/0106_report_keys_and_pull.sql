-- Report keys are Ed25519 (32 bytes) or P-256 (33 bytes, the compressed point).
alter table recipient drop constraint recipient_report_key;
alter table recipient add constraint recipient_report_key check (octet_length(report_key) in (32, 33));

-- Where a recipient stands by its own acknowledgements (pull feed), and what came of comparing its books with ours.
create table pull (
    recipient   uuid primary key references recipient,
    epoch       int not null,
    position    bigint not null check (position >= 0),
    at          timestamptz not null,
    agrees      bool,
    compared_at timestamptz
);
