-- Up to which of our messages a hearer's inbox has been compared with our outbox. In this database and not in the process: a
-- restore takes it back together with the rows, so what the lost life said stays beyond it, although the process that was
-- restored has spoken again and started again before every hearer was asked.
alter table peer add column checked uuid;
