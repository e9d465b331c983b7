-- Partitions for the rows of an organization that arrives from another cell: its audit may be older than the 400 days that
-- the app role may make partitions for. Source: docs/decisions/0025-cells.md.

-- The body of vienphi_make_partitions (migration 0022), without its limit; for `vienphi organization move`.
CREATE FUNCTION vienphi_make_partitions_from(first_day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    parent text;
    starts date;
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('vienphi_make_partitions'));
    FOR starts IN SELECT generate_series(date_trunc('month', first_day::timestamp),
            date_trunc('month', current_date::timestamp) + interval '3 months', interval '1 month')::date LOOP
        FOREACH parent IN ARRAY ARRAY['delivery', 'delivery_body', 'outbox', 'audit'] LOOP
            partition := parent || '_' || to_char(starts, 'YYYYMM');
            CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', partition, parent);
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
            EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', partition);
            IF parent <> 'delivery_body' THEN
                PERFORM public.vienphi_append_only(('public.' || partition)::regclass);
            END IF;
            -- ATTACH, because CREATE … PARTITION OF would wait for every reader of the parent, and every writer would
            -- wait behind it.
            EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent,
                partition, public.vienphi_first_id(starts),
                public.vienphi_first_id((starts + interval '1 month')::date));
        END LOOP;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_make_partitions_from(date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION vienphi_make_partitions(first_day date DEFAULT current_date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF first_day IS NULL OR first_day < current_date - 400 OR first_day > current_date THEN
        RAISE EXCEPTION 'partitions begin within the last 400 days, not on %', first_day
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM public.vienphi_make_partitions_from(first_day);
END $$;
