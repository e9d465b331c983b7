-- Roles, tenant isolation and append-only tables. Source: docs/design.md §4, Tenant isolation.
--
-- Every tenant table has organization_id as the first column of every primary, unique and foreign key and calls
-- vienphi_isolate_tenant(). The installation-wide tables are schema_migration, transaction_rebase, organization,
-- organization_prefix and bank_account_owner. The catalogue test (tests/db/test_catalogue.py) checks these rules.

-- Roles belong to the cluster, so another database of the cluster may have created them.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['vienphi_app', 'vienphi_auditor'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO vienphi_app, vienphi_auditor;

-- A temporary table comes before every schema on the search path of a function that fixes none, so its owner could
-- present an open day or an incomplete price list to a trigger. The rights on a database are not part of a dump and not
-- copied from a template: `vienphi migrate` repeats this at each run. For the same reason every function fixes its
-- search path, except a function of one bound SQL expression: PostgreSQL resolves its names when it creates it, and with
-- a setting the function could not be inlined.
DO $$ BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;

-- Row security for one table: the rows of another organization are invisible, also to the owner of the table. NULLIF,
-- because the cast of a setting that is not set fails. The auditor does not read tables of personal data.
CREATE FUNCTION vienphi_isolate_tenant(
    secured regclass, organization_column name DEFAULT 'organization_id', is_personal boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', secured);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', secured);
    EXECUTE format(
        'CREATE POLICY tenant_isolation ON %s '
        'USING (%I = NULLIF(current_setting(''vienphi.organization'', true), '''')::int)',
        secured, organization_column);
    EXECUTE format('GRANT SELECT ON %s TO vienphi_app', secured);
    IF NOT is_personal THEN
        EXECUTE format('GRANT SELECT ON %s TO vienphi_auditor', secured);
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_isolate_tenant(regclass, name, boolean) FROM PUBLIC;

CREATE FUNCTION vienphi_reject_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

-- Nobody changes the rows of an append-only table, its owner included. The app role has no grant for it either.
CREATE FUNCTION vienphi_append_only(guarded regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s '
        'FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_change()', guarded);
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_append_only(regclass) FROM PUBLIC;

-- Grants INSERT by column: all columns of a table except those that the service never fills in, as transaction ids,
-- approvals, decisions and amounts that begin at zero.
CREATE FUNCTION vienphi_grant_insert_except(granted regclass, VARIADIC left_out name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('REVOKE INSERT ON %s FROM vienphi_app', granted);
    EXECUTE format('GRANT INSERT (%s) ON %s TO vienphi_app', (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = granted AND attnum > 0 AND NOT attisdropped AND attname <> ALL (left_out)), granted);
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_grant_insert_except(regclass, name[]) FROM PUBLIC;
