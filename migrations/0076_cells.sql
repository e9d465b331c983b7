-- Cells: an organization is served by one of several database clusters. Source: docs/design.md §9;
-- docs/decisions/0025-cells.md.
--
-- Each cell states in organization_move which organizations have left it or are arriving. A process that knows several
-- cells begins each transaction with vienphi_enter_cell(); with one cell nothing calls it, and the tables are empty.

-- Installation-wide: one row for each organization that leaves this cell, has left it, arrives, or has arrived.
-- `ready`: complete, and served here once the other cell states `left`.
CREATE TABLE organization_move (
    organization_id int PRIMARY KEY CHECK (organization_id > 0),
    other_cell text NOT NULL CHECK (other_cell ~ '^[a-z][a-z0-9-]{0,39}$'),
    state text NOT NULL CHECK (state IN ('leaving', 'left', 'arriving', 'ready', 'arrived')),
    changed_at timestamptz NOT NULL
);
SELECT vienphi_guard_states('organization_move', ARRAY['leaving', 'arriving'], ARRAY[
    'leaving>left', 'arriving>ready', 'ready>arriving', 'ready>arrived', 'arrived>leaving']);
ALTER TABLE organization_move ENABLE ROW LEVEL SECURITY;
ALTER TABLE organization_move FORCE ROW LEVEL SECURITY;
CREATE POLICY installation_moves ON organization_move USING (true);
GRANT SELECT ON organization_move TO vienphi_app, vienphi_auditor;

-- The organizations that have not left this cell and do not arrive yet.
CREATE OR REPLACE FUNCTION vienphi_organizations() RETURNS SETOF int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT id FROM public.organization
    WHERE NOT EXISTS (SELECT FROM public.organization_move
        WHERE organization_id = id AND state IN ('left', 'arriving'))
    ORDER BY id;
END;

-- Begins the use of one organization in this cell. A writing transaction holds the lock of the organization (class 6),
-- shared, until it ends: `vienphi organization move` takes it exclusively, so that no transaction is open when it
-- compares. Nothing waits here: a transaction that waited would keep a connection from other organizations.
CREATE FUNCTION vienphi_enter_cell(organization int, writes boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    new_cell text;
BEGIN
    IF writes AND NOT pg_try_advisory_xact_lock_shared(6, organization) THEN
        RAISE EXCEPTION 'organization % is moving to another cell', organization
            USING ERRCODE = 'lock_not_available', CONSTRAINT = 'organization_moving';
    END IF;
    SELECT other_cell INTO new_cell FROM public.organization_move
    WHERE organization_id = organization AND state IN ('left', 'arriving');
    IF FOUND THEN
        RAISE EXCEPTION 'organization % is in another cell', organization
            USING ERRCODE = 'lock_not_available', CONSTRAINT = 'organization_moved', DETAIL = new_cell;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_enter_cell(int, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_enter_cell(int, boolean) TO vienphi_app;

-- The condition of the policies that `vienphi organization move` adds in the cell that an organization has left: whoever
-- sets this organization is refused, also the owner, and also a process that was started before there were cells.
CREATE FUNCTION vienphi_is_here(organization int) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF current_setting('vienphi.organization', true) = organization::text AND EXISTS (
            SELECT FROM public.organization_move WHERE organization_id = organization AND state = 'left') THEN
        RAISE EXCEPTION 'organization % is in another cell', organization
            USING ERRCODE = 'lock_not_available', CONSTRAINT = 'organization_moved', DETAIL = 'another';
    END IF;
    RETURN true;
END $$;

-- Logical replication with a row filter needs the filtered column in the identity of a row; their keys are wider.
ALTER TABLE organization_prefix REPLICA IDENTITY FULL;
ALTER TABLE bank_account_owner REPLICA IDENTITY FULL;

-- Installation-wide: organizations that arrived from a cluster with higher transaction ids, and the number that is added
-- to the ids of the server for their rows, in the place of the shift of transaction_rebase.
CREATE TABLE organization_rebase (
    organization_id int PRIMARY KEY CHECK (organization_id > 0),
    shift bigint NOT NULL,
    largest_stored bigint NOT NULL,
    rebased_at timestamptz NOT NULL
);
ALTER TABLE organization_rebase ENABLE ROW LEVEL SECURITY;
ALTER TABLE organization_rebase FORCE ROW LEVEL SECURITY;
CREATE POLICY installation_shifts ON organization_rebase USING (true);
GRANT SELECT ON organization_rebase TO vienphi_app, vienphi_auditor;

-- The shift of organizations without their own.
CREATE FUNCTION vienphi_common_shift() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT coalesce((SELECT shift FROM public.transaction_rebase ORDER BY number DESC LIMIT 1), 0);
END;
REVOKE EXECUTE ON FUNCTION vienphi_common_shift() FROM PUBLIC;

-- Replaces the functions that give transaction ids; the shifts are constants in them.
CREATE FUNCTION vienphi_write_id_functions() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    shifts text := public.vienphi_common_shift();
    own text;
    given record;
BEGIN
    SELECT string_agg(format('WHEN %L THEN %s', organization_id::text, shift), ' ' ORDER BY organization_id) INTO own
    FROM public.organization_rebase;
    IF own IS NOT NULL THEN
        shifts := format('CASE current_setting(''vienphi.organization'', true) %s ELSE %s END', own, shifts);
    END IF;
    FOR given IN
        SELECT * FROM (VALUES
            ('vienphi_transaction_id', '', 'pg_current_xact_id()'),
            ('vienphi_watermark', 'PARALLEL SAFE', 'pg_snapshot_xmin(pg_current_snapshot())'),
            ('vienphi_next_transaction_id', 'PARALLEL SAFE', 'pg_snapshot_xmax(pg_current_snapshot())')
        ) AS functions (name, is_parallel, number)
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION public.%I() RETURNS xid8 LANGUAGE sql STABLE %s '
            'RETURN (%s::text::bigint + %s)::text::xid8', given.name, given.is_parallel, given.number, shifts);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_write_id_functions() FROM PUBLIC;

-- Lets the ids of an organization that arrives go on beyond the largest that it brings. Returns its shift, or NULL where
-- the common one suffices. While no transaction of the organization is open here; others go on with their ids.
CREATE FUNCTION vienphi_rebase_organization(organization int, largest bigint, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    needed bigint := largest + 1 - pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
BEGIN
    IF needed <= public.vienphi_common_shift() THEN
        RETURN NULL;
    END IF;
    INSERT INTO public.organization_rebase (organization_id, shift, largest_stored, rebased_at)
    VALUES (organization, needed, largest, at)
    ON CONFLICT (organization_id) DO UPDATE
        SET shift = excluded.shift, largest_stored = excluded.largest_stored, rebased_at = excluded.rebased_at;
    PERFORM public.vienphi_write_id_functions();
    RETURN needed;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_rebase_organization(int, bigint, timestamptz) FROM PUBLIC;

-- The largest id of one organization in any table, as it is stored.
CREATE FUNCTION vienphi_largest_transaction_id(organization int) RETURNS xid8
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization_before text := current_setting('vienphi.organization', true);
    stored record;
    found xid8;
    largest xid8 := '0';
BEGIN
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
    PERFORM set_config('vienphi.organization', coalesce(organization_before, ''), true);
    RETURN largest;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_largest_transaction_id(int) FROM PUBLIC;

-- The largest id of any organization, with the common shift in the place of its own.
CREATE OR REPLACE FUNCTION vienphi_largest_transaction_id() RETURNS xid8
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    common bigint := public.vienphi_common_shift();
    organization int;
    found bigint;
    largest bigint := 0;
BEGIN
    FOR organization IN SELECT public.vienphi_organizations() LOOP
        found := public.vienphi_largest_transaction_id(organization)::text::bigint;
        largest := greatest(largest, found - coalesce(
            (SELECT shift FROM public.organization_rebase WHERE organization_id = organization) - common, 0));
    END LOOP;
    RETURN largest::text::xid8;
END $$;

CREATE OR REPLACE FUNCTION vienphi_rebase(rebased_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    largest bigint := public.vienphi_largest_transaction_id()::text::bigint;
    last_number int;
    common bigint := public.vienphi_common_shift();
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
    UPDATE public.organization_rebase SET shift = shift + new_shift - common;
    PERFORM public.vienphi_write_id_functions();
    RETURN new_shift;
END $$;
