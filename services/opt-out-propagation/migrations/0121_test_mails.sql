-- 試験: a mail that shows that a new contact is reached. Set by the order that set the contact; its id is made of it.
alter table alert drop constraint alert_kind;
alter table alert add constraint alert_kind check (kind in ('reminder', 'escalation', 'test'));
