-- Three roles with the least rights, for psql as an administrator. Running it again changes nothing.
--
--   {owner}   owns the tables. `fleexmon database migrate` runs as it, at installation and after each update; nothing else.
--   {writer}  reads and writes rows. The service runs as it (`fleexmon up`, Dagster's processes).
--   {reader}  reads rows, and records what agents ask. For `fleexmon web`, `fleexmon mcp` and dashboards.
--
-- They have no passwords yet: \password {owner}, and so on.

SELECT 'CREATE ROLE ' || quote_ident(name) || ' LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION'
FROM unnest(ARRAY[{names}]) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
GRANT {owner} TO CURRENT_USER;
SELECT 'CREATE DATABASE ' || quote_ident(name) || ' OWNER ' || quote_ident({owner_name})
FROM unnest(ARRAY[{databases}]) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
\set ON_ERROR_STOP on
