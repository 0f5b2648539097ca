
\connect {database}
-- Everybody may connect and make temporary tables by default; on older servers, create tables, too.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER DATABASE {database} OWNER TO {owner};
ALTER SCHEMA public OWNER TO {owner};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {writer};
GRANT CONNECT ON DATABASE {database} TO {reader};
GRANT USAGE ON SCHEMA public TO {writer}, {reader};
-- What an earlier single role made is handed over: tables, and with them their indexes; sequences of their own; functions.
SELECT format('ALTER %s %s OWNER TO %I', CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
  oid::regclass, {owner_name})
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND relowner <> {owner_name}::regrole
  AND (relkind <> 'S' OR NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('a', 'i'))) \gexec
SELECT format('ALTER ROUTINE %s OWNER TO %I', oid::regprocedure, {owner_name})
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proowner <> {owner_name}::regrole
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') \gexec
-- For what is there, and for what a migration will make.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {writer};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {writer};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {writer};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {writer};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT ON TABLES TO {reader};
-- The one table that a reader adds to: the record of what agents ask. It is there after the first migration.
SELECT 'GRANT INSERT ON "AgentCall" TO ' || quote_ident({reader_name}) WHERE to_regclass('public."AgentCall"') IS NOT NULL \gexec
