-- The database enforces the claims of the earlier migrations, whoever writes: functions with a fixed search path, no
-- temporary tables, states that begin at their first value, approvals by two persons, days in order, narrow grants.
-- The catalogue test requires the same of later tables and functions. Source: DESIGN §2, §4 and §5.

-- A temporary table comes before every schema on the search path of a function that fixes none, so its owner could
-- present an open day or an incomplete price list to a trigger. The rights on a database are not part of a dump and not
-- copied from a template: `vienphi migrate` repeats this at each run.
DO $$ BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;

-- Functions of one bound SQL expression keep none: PostgreSQL resolves their names when it creates them, and with a
-- setting they could not be inlined into the statements that read up to the watermark.
DO $$
DECLARE
    open_function regprocedure;
BEGIN
    FOR open_function IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prosqlbody IS NULL AND NOT EXISTS (
            SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', open_function);
    END LOOP;
END $$;
-- Their statements run with the rights of the caller, who has no use for them.
REVOKE EXECUTE ON FUNCTION vienphi_isolate_tenant(regclass, name, boolean), vienphi_append_only(regclass) FROM PUBLIC;

-- States. The condition of a trigger is evaluated without a call, so an allowed row costs less than a microsecond.
CREATE FUNCTION vienphi_reject_state() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        RAISE EXCEPTION 'a row of % is not created as %', TG_TABLE_NAME, NEW.state USING ERRCODE = 'restrict_violation';
    END IF;
    RAISE EXCEPTION '%: % does not become %', TG_TABLE_NAME, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
END $$;

-- TG_ARGV[0] states the rule.
CREATE FUNCTION vienphi_reject_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

-- Guards the column `state` of a table: `first_states` for new rows, `moves` as 'from>to'.
CREATE FUNCTION vienphi_guard_states(guarded regclass, first_states text[], moves text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER state_is_first BEFORE INSERT ON %s FOR EACH ROW '
        'WHEN (NEW.state <> ALL (%L::text[])) EXECUTE FUNCTION public.vienphi_reject_state()', guarded, first_states);
    EXECUTE format(
        'CREATE TRIGGER state_transition BEFORE UPDATE ON %s FOR EACH ROW '
        'WHEN (OLD.state <> NEW.state AND OLD.state || ''>'' || NEW.state <> ALL (%L::text[])) '
        'EXECUTE FUNCTION public.vienphi_reject_state()', guarded, moves);
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_guard_states(regclass, text[], text[]) FROM PUBLIC;

-- Guards columns that are NULL in a new row and are set once: a revocation, a release, an approval.
CREATE FUNCTION vienphi_guard_once(guarded regclass, VARIADIC guarded_columns name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER set_later BEFORE INSERT ON %s FOR EACH ROW WHEN (num_nonnulls(%s) > 0) '
        'EXECUTE FUNCTION public.vienphi_reject_row(%L)', guarded,
        (SELECT string_agg(format('NEW.%I', name), ', ') FROM unnest(guarded_columns) AS name),
        'a new row has no ' || array_to_string(guarded_columns, ', ') || ' yet');
    EXECUTE format(
        'CREATE TRIGGER set_once BEFORE UPDATE ON %s FOR EACH ROW WHEN (%s) '
        'EXECUTE FUNCTION public.vienphi_reject_row(%L)', guarded,
        (SELECT string_agg(format('OLD.%1$I IS NOT NULL AND NEW.%1$I IS DISTINCT FROM OLD.%1$I', name), ' OR ')
         FROM unnest(guarded_columns) AS name),
        array_to_string(guarded_columns, ', ') || ' is set once');
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_guard_once(regclass, name[]) FROM PUBLIC;

-- The states and moves of domain/invoice.py and domain/intent.py.
SELECT vienphi_guard_states('invoice', ARRAY['draft', 'issued'], ARRAY['draft>issued', 'draft>discarded']);
CREATE TRIGGER allocated_is_zero BEFORE INSERT ON invoice FOR EACH ROW
    WHEN (NEW.allocated <> 0 OR NEW.corrections <> 0)
    EXECUTE FUNCTION vienphi_reject_row('a new invoice has no allocation and no correction');

SELECT vienphi_guard_states('intent', ARRAY['created'], ARRAY[
    'created>pending', 'created>unknown', 'created>failed', 'created>cancelled', 'created>expired',
    'created>succeeded', 'pending>unknown', 'pending>failed', 'pending>cancelled', 'pending>expired',
    'pending>succeeded', 'unknown>failed', 'unknown>cancelled', 'unknown>expired', 'unknown>succeeded',
    'failed>succeeded', 'cancelled>succeeded', 'expired>succeeded', 'succeeded>pending']);
CREATE TRIGGER received_is_zero BEFORE INSERT ON intent FOR EACH ROW WHEN (NEW.received <> 0)
    EXECUTE FUNCTION vienphi_reject_row('a new intent has received nothing');
CREATE TRIGGER succeeded_needs_outflow BEFORE UPDATE ON intent FOR EACH ROW
    WHEN (OLD.state = 'succeeded' AND NEW.state <> 'succeeded' AND NEW.received >= OLD.received)
    EXECUTE FUNCTION vienphi_reject_row('only an outflow of money leaves succeeded');

SELECT vienphi_guard_states('exception_case', ARRAY['open'], ARRAY['open>closed']);
SELECT vienphi_guard_states('webhook_delivery', ARRAY['waiting'], ARRAY[
    'waiting>delivered', 'waiting>dead', 'delivered>waiting', 'dead>waiting']);

-- A key that is revoked stays revoked; a hold is released once.
SELECT vienphi_guard_once('api_key', 'revoked_at');
SELECT vienphi_guard_once('payment_hold', 'released_at');

-- Approvals. The two persons are compared by the CHECK of each table.
SELECT vienphi_guard_states('account_change', ARRAY['proposed'], ARRAY['proposed>approved', 'proposed>rejected']);
SELECT vienphi_guard_once('account_change', 'decided_by', 'decided_at');

DROP TRIGGER approved_once ON facility_pricing;
DROP TRIGGER approved_once ON facility_policy;
DROP FUNCTION vienphi_approved_once();
CREATE TRIGGER approved_once BEFORE UPDATE ON facility_pricing FOR EACH ROW WHEN (OLD.approved_by IS NOT NULL)
    EXECUTE FUNCTION vienphi_reject_row('a setting is approved once');
CREATE TRIGGER approved_once BEFORE UPDATE ON facility_policy FOR EACH ROW WHEN (OLD.approved_by IS NOT NULL)
    EXECUTE FUNCTION vienphi_reject_row('a setting is approved once');
SELECT vienphi_guard_once('facility_pricing', 'approved_by', 'approved_at');
SELECT vienphi_guard_once('facility_policy', 'approved_by', 'approved_at');

SELECT vienphi_guard_states('tariff', ARRAY['draft'], ARRAY[
    'draft>approved', 'approved>effective', 'effective>replaced', 'draft>discarded', 'approved>discarded']);
CREATE OR REPLACE FUNCTION vienphi_guard_tariff() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    items bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF num_nonnulls(NEW.approved_by, NEW.approved_at, NEW.activated_by, NEW.activated_at) > 0 THEN
            RAISE EXCEPTION 'a new price list is not approved' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.completed_at IS NOT NULL AND NEW.completed_at IS DISTINCT FROM OLD.completed_at
        OR OLD.approved_by IS NOT NULL
            AND (NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approved_by, OLD.approved_at)
        OR OLD.activated_by IS NOT NULL
            AND (NEW.activated_by, NEW.activated_at) IS DISTINCT FROM (OLD.activated_by, OLD.activated_at)
        OR NEW.state = 'draft' AND NEW.approved_by IS NOT NULL
        OR NEW.state = 'approved' AND NEW.activated_by IS NOT NULL THEN
        RAISE EXCEPTION 'a price list that is % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL THEN
        SELECT count(*) INTO items FROM public.tariff_item
        WHERE organization_id = NEW.organization_id AND tariff_id = NEW.id;
        IF items <> NEW.items_expected THEN
            RAISE EXCEPTION 'a price list of % rows is not complete with %', NEW.items_expected, items
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER tariff_guarded ON tariff;
CREATE TRIGGER tariff_guarded BEFORE INSERT OR UPDATE ON tariff
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_tariff();

-- Days. The clock that bounds a new day, in a function of its own so that an owner can correct it.
CREATE FUNCTION vienphi_clock() RETURNS timestamptz
LANGUAGE sql STABLE RETURN clock_timestamp();

-- A new day is open, has begun (by its own column and by the clock, one minute allowed for clocks that differ), and is
-- later than every closed day. A closed day stays as it is, and days close in order. Tomorrow's day is a fault of a
-- clock, not of the delivery that met it: 55000, not an integrity violation.
DROP TRIGGER day_closes_once ON business_day;
DROP TRIGGER days_in_order ON business_day;
DROP FUNCTION vienphi_keep_days_in_order();
CREATE OR REPLACE FUNCTION vienphi_guard_day() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = 'closed' THEN
            RAISE EXCEPTION 'a closed day stays as it is' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state = 'closed' AND EXISTS (
            SELECT FROM public.business_day AS earlier
            WHERE earlier.organization_id = NEW.organization_id AND earlier.day < NEW.day AND earlier.state = 'open'
        ) THEN
            RAISE EXCEPTION 'an earlier day is open' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state <> 'open' THEN
        RAISE EXCEPTION 'a new day is open' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.day > (NEW.opened_at AT TIME ZONE interval '7 hours')::date
        OR NEW.day > ((public.vienphi_clock() + interval '1 minute') AT TIME ZONE interval '7 hours')::date THEN
        RAISE EXCEPTION 'the day % has not begun', NEW.day USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF EXISTS (SELECT FROM public.business_day AS later WHERE later.organization_id = NEW.organization_id
            AND later.day > NEW.day AND later.state = 'closed') THEN
        RAISE EXCEPTION 'a later day is closed already' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER days_in_order BEFORE INSERT OR UPDATE ON business_day
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_day();

-- A number of a series is given out once: it only grows.
CREATE TRIGGER number_grows BEFORE UPDATE ON series FOR EACH ROW WHEN (NEW.last_number <= OLD.last_number)
    EXECUTE FUNCTION vienphi_reject_row('a number is given out once');

-- A webhook cursor never returns to messages that were enqueued before.
CREATE TRIGGER cursor_advances BEFORE UPDATE ON webhook_cursor FOR EACH ROW
    WHEN ((NEW.transaction_id, NEW.message_id) < (OLD.transaction_id, OLD.message_id))
    EXECUTE FUNCTION vienphi_reject_row('a cursor moves on');

-- Movement keys. A key is attached to an earlier movement by the transaction that claims it, and by no later one.
ALTER TABLE movement_key ADD COLUMN transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id();
CREATE INDEX ON movement_key (organization_id, transaction_id);
CREATE TRIGGER key_is_reserved_once BEFORE UPDATE ON movement_key FOR EACH ROW
    WHEN (OLD.transaction_id IS DISTINCT FROM vienphi_transaction_id())
    EXECUTE FUNCTION vienphi_reject_row('a key that an earlier transaction reserved stays as it is');

-- Snapshots are computed from postings by this function and written by nobody else. The transaction locks the
-- watermark's row first, so a second caller waits and continues where the first ended. Returns the number of postings.
CREATE FUNCTION vienphi_extend_snapshots(taken_at timestamptz, postings_max int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization int := NULLIF(current_setting('vienphi.organization', true), '')::int;
    first_id xid8;
    end_id xid8;
    finished_postings int;
BEGIN
    INSERT INTO public.balance_watermark (organization_id, covers_until, taken_at)
        VALUES (organization, '0', vienphi_extend_snapshots.taken_at) ON CONFLICT DO NOTHING;
    SELECT covers_until INTO first_id FROM public.balance_watermark WHERE organization_id = organization FOR UPDATE;
    -- The next piece ends at the watermark, or with the transaction in which the limit falls.
    SELECT least(public.vienphi_watermark(), (
        SELECT (transaction_id::text::bigint + 1)::text::xid8 FROM public.posting
        WHERE organization_id = organization AND transaction_id >= first_id
        ORDER BY transaction_id OFFSET greatest(postings_max, 1) - 1 LIMIT 1)) INTO end_id
    WHERE EXISTS (SELECT FROM public.posting WHERE organization_id = organization AND transaction_id >= first_id
        AND transaction_id < public.vienphi_watermark());
    IF end_id IS NULL THEN
        RETURN 0;
    END IF;
    WITH finished AS MATERIALIZED (
        SELECT debit_account_id, credit_account_id, amount, (
            SELECT accounting_date FROM public.journal_entry
            WHERE journal_entry.organization_id = organization AND journal_entry.id = posting.entry_id
        ) AS accounting_date
        FROM public.posting
        WHERE posting.organization_id = organization AND transaction_id >= first_id AND transaction_id < end_id
    ), moved AS (
        SELECT account_id, accounting_date, sum(debit) AS debit, sum(credit) AS credit FROM (
            SELECT debit_account_id AS account_id, accounting_date, amount AS debit, 0 AS credit FROM finished
            UNION ALL
            SELECT credit_account_id, accounting_date, 0, amount FROM finished
        ) AS sides GROUP BY account_id, accounting_date
    ), added AS (
        INSERT INTO public.balance_snapshot AS kept (organization_id, account_id, accounting_date, debit, credit)
        SELECT organization, account_id, accounting_date, debit, credit FROM moved
        ON CONFLICT (organization_id, account_id, accounting_date) DO UPDATE
            SET debit = kept.debit + excluded.debit, credit = kept.credit + excluded.credit
    ), advanced AS (
        UPDATE public.balance_watermark
        SET covers_until = end_id, taken_at = vienphi_extend_snapshots.taken_at
        WHERE organization_id = organization
    )
    SELECT count(*) INTO finished_postings FROM finished;
    RETURN finished_postings;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_extend_snapshots(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_extend_snapshots(timestamptz, int) TO vienphi_app;
REVOKE INSERT, UPDATE ON balance_watermark, balance_snapshot FROM vienphi_app;

-- A seal ends where every transaction is over; later rows would join a block beyond it. After the foreign key of the
-- chain, which names a gap first.
CREATE TRIGGER covers_finished_rows AFTER INSERT ON seal FOR EACH ROW WHEN (NEW.covers_until > vienphi_watermark())
    EXECUTE FUNCTION vienphi_reject_row('a seal covers finished transactions');

-- Partitions are made for the last 400 days and the next three months; a call for another time is refused.
CREATE OR REPLACE FUNCTION vienphi_make_partitions(first_day date DEFAULT current_date) RETURNS void
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
            -- Attached, not created as a partition: that would wait for every reader of the parent, and every writer
            -- would wait behind it.
            EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent,
                partition, public.vienphi_first_id(starts),
                public.vienphi_first_id((starts + interval '1 month')::date));
        END LOOP;
    END LOOP;
END $$;

-- Nothing is booked into a day that is closed: as in 0003, with names that no other schema can take over.
CREATE OR REPLACE FUNCTION vienphi_reject_closed_day() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added
        JOIN public.business_day ON business_day.organization_id = added.organization_id
            AND business_day.day = added.accounting_date
        WHERE business_day.state <> 'open'
    ) THEN
        RAISE EXCEPTION 'the day of an entry is closed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

-- Grants by column: the service fills in what its statements name. Transaction ids, approvals, decisions and amounts
-- that begin at zero are not among them.
CREATE FUNCTION vienphi_grant_insert_except(granted regclass, VARIADIC left_out name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('REVOKE INSERT ON %s FROM vienphi_app', granted);
    EXECUTE format('GRANT INSERT (%s) ON %s TO vienphi_app', (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = granted AND attnum > 0 AND NOT attisdropped AND attname <> ALL (left_out)), granted);
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_grant_insert_except(regclass, name[]) FROM PUBLIC;

SELECT vienphi_grant_insert_except('movement_key', 'transaction_id'),
    vienphi_grant_insert_except('invoice', 'corrections', 'allocated'),
    vienphi_grant_insert_except('intent', 'instruction'),
    vienphi_grant_insert_except('inline_balance', 'balance', 'floor'),
    vienphi_grant_insert_except('business_day', 'closed_at'),
    vienphi_grant_insert_except('payment_hold', 'released_at'),
    vienphi_grant_insert_except('account_change', 'decided_by', 'decided_at'),
    vienphi_grant_insert_except('facility_pricing', 'approved_by', 'approved_at'),
    vienphi_grant_insert_except('facility_policy', 'approved_by', 'approved_at'),
    vienphi_grant_insert_except('tariff', 'completed_at', 'approved_by', 'approved_at', 'activated_by',
        'activated_at'),
    vienphi_grant_insert_except('webhook_delivery', 'attempts', 'attempted_at', 'last_status', 'last_problem'),
    vienphi_grant_insert_except('status_poll', 'attempts', 'polled_at', 'last_outcome');
REVOKE UPDATE ON visit_patient FROM vienphi_app;
GRANT UPDATE (name, birth, sex, citizen_number, hospital_number, address, phone) ON visit_patient TO vienphi_app;
