-- Transaction ids and watermarks. Source: docs/design.md §4, Watermarks;
-- docs/decisions/0008-transaction-numbers-after-a-restore.md.
--
-- A row carries the id of the transaction that wrote it. Everything that must not miss a row (snapshots, seals, readers
-- of the outbox) reads up to the watermark: the first id that may still be running. After a dump is restored into
-- another cluster, the server counts from the beginning again, and new rows would lie below old watermarks.
-- vienphi_rebase() then shifts all further ids beyond the largest stored one. Every column of type xid8 therefore takes
-- its default from vienphi_transaction_id(), and every reader compares it with vienphi_watermark(). No other code calls
-- the functions of the server.

CREATE FUNCTION vienphi_transaction_id() RETURNS xid8
LANGUAGE sql STABLE RETURN pg_current_xact_id();

CREATE FUNCTION vienphi_watermark() RETURNS xid8
LANGUAGE sql STABLE PARALLEL SAFE RETURN pg_snapshot_xmin(pg_current_snapshot());

-- The first id that no transaction has yet.
CREATE FUNCTION vienphi_next_transaction_id() RETURNS xid8
LANGUAGE sql STABLE PARALLEL SAFE RETURN pg_snapshot_xmax(pg_current_snapshot());

-- Installation-wide: each shift of the ids, and the number that is added to the ids of the server from then on.
CREATE TABLE transaction_rebase (
    number int PRIMARY KEY CHECK (number > 0),
    shift bigint NOT NULL CHECK (shift > 0),
    largest_stored bigint NOT NULL,
    rebased_at timestamptz NOT NULL
);
ALTER TABLE transaction_rebase ENABLE ROW LEVEL SECURITY;
ALTER TABLE transaction_rebase FORCE ROW LEVEL SECURITY;
CREATE POLICY installation_reads ON transaction_rebase FOR SELECT USING (true);
CREATE POLICY installation_adds ON transaction_rebase FOR INSERT WITH CHECK (true);
SELECT vienphi_append_only('transaction_rebase');
GRANT SELECT ON transaction_rebase TO vienphi_app, vienphi_auditor;

-- The largest id stored in any table, read at start: one index look-up for each organization and column of type xid8.
-- SECURITY DEFINER: it returns a number and no row.
CREATE FUNCTION vienphi_largest_transaction_id() RETURNS xid8
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization_before text := current_setting('vienphi.organization', true);
    organization int;
    stored record;
    found xid8;
    largest xid8 := '0';
BEGIN
    FOR organization IN SELECT public.vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        FOR stored IN
            SELECT stored_table.relname, stored_column.attname
            FROM pg_attribute AS stored_column
            JOIN pg_class AS stored_table ON stored_table.oid = stored_column.attrelid
            WHERE stored_table.relnamespace = 'public'::regnamespace AND stored_table.relkind IN ('r', 'p')
                AND NOT stored_table.relispartition AND stored_column.attnum > 0 AND NOT stored_column.attisdropped
                AND stored_column.atttypid = 'xid8'::regtype
        LOOP
            EXECUTE format(
                'SELECT %1$I FROM public.%2$I WHERE organization_id = $1 AND %1$I IS NOT NULL ORDER BY %1$I DESC LIMIT 1',
                stored.attname, stored.relname) INTO found USING organization;
            IF found > largest THEN
                largest := found;
            END IF;
        END LOOP;
    END LOOP;
    PERFORM set_config('vienphi.organization', coalesce(organization_before, ''), true);
    RETURN largest;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_largest_transaction_id() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_largest_transaction_id() TO vienphi_app;

-- Shifts all further ids beyond the largest stored one where that is necessary. Returns the new shift, or NULL. For the
-- owner, while no other session is connected (`vienphi ledger rebase`). Rows stay unchanged.
CREATE FUNCTION vienphi_rebase(rebased_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    largest bigint := public.vienphi_largest_transaction_id()::text::bigint;
    last_number int;
    new_shift bigint;
BEGIN
    IF largest < public.vienphi_next_transaction_id()::text::bigint THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(max(number), 0) INTO last_number FROM public.transaction_rebase;
    -- The oldest transaction still running, shifted, is one beyond the largest stored id.
    new_shift := largest + 1 - pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    INSERT INTO public.transaction_rebase (number, shift, largest_stored, rebased_at)
    VALUES (last_number + 1, new_shift, largest, rebased_at);
    EXECUTE format('CREATE OR REPLACE FUNCTION public.vienphi_transaction_id() RETURNS xid8 LANGUAGE sql STABLE '
        'RETURN (pg_current_xact_id()::text::bigint + %s)::text::xid8', new_shift);
    EXECUTE format('CREATE OR REPLACE FUNCTION public.vienphi_watermark() RETURNS xid8 LANGUAGE sql STABLE PARALLEL SAFE '
        'RETURN (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + %s)::text::xid8', new_shift);
    EXECUTE format('CREATE OR REPLACE FUNCTION public.vienphi_next_transaction_id() RETURNS xid8 LANGUAGE sql STABLE '
        'PARALLEL SAFE RETURN (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + %s)::text::xid8', new_shift);
    RETURN new_shift;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_rebase(timestamptz) FROM PUBLIC;
