#!/bin/bash
# Makes the role `monitor` and gives it infra/postgres/monitor.sql. Runs in a container of the PostgreSQL image, after
# `madoguchi provision databases`; PGHOST, PGUSER and PGPASSFILE say where and as whom.
set -euo pipefail
password=$(<"${MONITOR_PASSWORD_FILE:?the file with the password of the role monitor}")
export PGDATABASE=${PGDATABASE:-madoguchi}
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$password" <<'SQL'
select 'create role monitor' where not exists (select from pg_roles where rolname = 'monitor') \gexec
alter role monitor login password :'password' nosuperuser nocreatedb nocreaterole connection limit 4;
grant connect on database madoguchi to monitor;
SQL
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file "${MONITOR_SQL:?the path of monitor.sql}"
