-- Monthly partitions of delivery, delivery_body, outbox and audit. Source: docs/design.md §4, Journal.

-- The smallest UUIDv7 of a day: partitions are ranges of ids, and an id contains its time.
CREATE FUNCTION vienphi_first_id(day date) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT
RETURN (lpad(to_hex((extract(epoch FROM day::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- Creates the partitions from the month of first_day (within the last 400 days) to three months after the current month,
-- with the triggers, which a partition does not inherit. There is no default partition: a row without a partition is
-- rejected and retried, not lost. SECURITY DEFINER: the service owns no table.
CREATE FUNCTION vienphi_make_partitions(first_day date DEFAULT current_date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    parent text;
    starts date;
    partition text;
BEGIN
    IF first_day IS NULL OR first_day < current_date - 400 OR first_day > current_date THEN
        RAISE EXCEPTION 'partitions begin within the last 400 days, not on %', first_day
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
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
REVOKE EXECUTE ON FUNCTION vienphi_make_partitions(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_make_partitions(date) TO vienphi_app;
SELECT vienphi_make_partitions();

-- Detaches the partitions of a table that end before a day, so that the owner can archive and drop them; with `drops`,
-- drops them. A partition stays while a row of it is needed: an outbox message that is not enqueued for webhooks, a body
-- that is not erased. The audit is sealed and stays.
CREATE FUNCTION vienphi_detach_partitions(parent text, before date, drops boolean) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    partition text;
    starts date;
    ends date;
    organization int;
    is_needed boolean;
BEGIN
    IF parent NOT IN ('delivery', 'delivery_body', 'outbox') THEN
        RAISE EXCEPTION 'partitions of % stay: the seals cover them', parent USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('vienphi_make_partitions'));
    FOR partition IN
        SELECT child.relname FROM pg_inherits AS link JOIN pg_class AS child ON child.oid = link.inhrelid
        WHERE link.inhparent = ('public.' || parent)::regclass AND child.relname ~ '_[0-9]{6}$'
            AND (to_date(right(child.relname, 6), 'YYYYMM') + interval '1 month')::date <= before
        ORDER BY child.relname
    LOOP
        starts := to_date(right(partition, 6), 'YYYYMM');
        ends := (starts + interval '1 month')::date;
        is_needed := false;
        FOR organization IN SELECT public.vienphi_organizations() LOOP
            PERFORM set_config('vienphi.organization', organization::text, true);
            -- Read through the parent: a partition has row security and no policy.
            IF parent = 'delivery_body' THEN
                is_needed := EXISTS (SELECT FROM public.delivery_body AS body WHERE body.organization_id = organization
                    AND body.id >= public.vienphi_first_id(starts) AND body.id < public.vienphi_first_id(ends));
            ELSIF parent = 'outbox' THEN
                is_needed := EXISTS (SELECT FROM public.outbox AS message WHERE message.organization_id = organization
                    AND message.id >= public.vienphi_first_id(starts) AND message.id < public.vienphi_first_id(ends)
                    AND NOT EXISTS (SELECT FROM public.webhook_cursor AS cursor
                        WHERE cursor.organization_id = organization AND
                            (cursor.transaction_id, cursor.message_id) >= (message.transaction_id, message.id)));
            END IF;
            EXIT WHEN is_needed;
        END LOOP;
        PERFORM set_config('vienphi.organization', '', true);
        CONTINUE WHEN is_needed;
        EXECUTE format('ALTER TABLE public.%I DETACH PARTITION public.%I', parent, partition);
        -- The owner can then archive the detached table; no other role has a grant on it.
        EXECUTE format('ALTER TABLE public.%I NO FORCE ROW LEVEL SECURITY', partition);
        IF drops THEN
            EXECUTE format('DROP TABLE public.%I', partition);
        END IF;
        RETURN NEXT partition;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_detach_partitions(text, date, boolean) FROM PUBLIC;
