-- Balances that need no full reading, days that close, and seals over finished rows.
--
-- Transaction numbers. A row carries the number of the transaction that wrote it, and everything that must not miss a
-- row (snapshots, seals, readers of the outbox) reads up to the watermark: the first number that may still be running.
-- After a dump is restored into another cluster the server counts from the beginning again, so that new rows would fall
-- below watermarks that are long past. vienphi_rebase() then shifts all further numbers beyond what is stored. Every
-- column of type xid8 therefore takes its default from vienphi_transaction_id(), and every reader compares it with
-- vienphi_watermark(); nobody asks the server itself.

CREATE FUNCTION vienphi_transaction_id() RETURNS xid8
LANGUAGE sql STABLE RETURN pg_current_xact_id();

CREATE FUNCTION vienphi_watermark() RETURNS xid8
LANGUAGE sql STABLE PARALLEL SAFE RETURN pg_snapshot_xmin(pg_current_snapshot());

-- The first number that no transaction has been given yet.
CREATE FUNCTION vienphi_next_transaction_id() RETURNS xid8
LANGUAGE sql STABLE PARALLEL SAFE RETURN pg_snapshot_xmax(pg_current_snapshot());

-- Installation-wide: each time the numbers were shifted, and what was added to the server's from then on.
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

-- The largest number stored anywhere, in whatever table: asked at start, one look into an index for each organization
-- and column of type xid8. SECURITY DEFINER: it tells a number and no row.
CREATE FUNCTION vienphi_largest_transaction_id() RETURNS xid8
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization_before text := current_setting('vienphi.organization', true);
    organization int;
    place record;
    found xid8;
    largest xid8 := '0';
BEGIN
    FOR organization IN SELECT public.vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        FOR place IN
            SELECT kept.relname, kept_column.attname
            FROM pg_attribute AS kept_column
            JOIN pg_class AS kept ON kept.oid = kept_column.attrelid
            WHERE kept.relnamespace = 'public'::regnamespace AND kept.relkind IN ('r', 'p')
                AND NOT kept.relispartition AND kept_column.attnum > 0 AND NOT kept_column.attisdropped
                AND kept_column.atttypid = 'xid8'::regtype
        LOOP
            EXECUTE format(
                'SELECT %1$I FROM public.%2$I WHERE organization_id = $1 AND %1$I IS NOT NULL ORDER BY %1$I DESC LIMIT 1',
                place.attname, place.relname) INTO found USING organization;
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

-- Shifts all further numbers beyond what is stored, where that is needed; returns the new shift, NULL where nothing was
-- to do. For the owner, while nobody else is connected: vienphi ledger rebase. Rows stay as they are.
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
    -- The oldest transaction still running, shifted, is one beyond the largest number stored.
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

ALTER TABLE journal_entry ALTER COLUMN transaction_id SET DEFAULT vienphi_transaction_id();
ALTER TABLE posting ALTER COLUMN transaction_id SET DEFAULT vienphi_transaction_id();
ALTER TABLE outbox ALTER COLUMN transaction_id SET DEFAULT vienphi_transaction_id();
ALTER TABLE payment ADD COLUMN transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id();
ALTER TABLE allocation ADD COLUMN transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id();
ALTER TABLE audit ADD COLUMN transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id();
-- The number is the server's to say: the service may fill every column but this one.
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['payment', 'allocation', 'audit'] LOOP
        EXECUTE format('REVOKE INSERT ON %I FROM vienphi_app', kept);
        EXECUTE format('GRANT INSERT (%s) ON %I TO vienphi_app', (
            SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = kept::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'transaction_id'), kept);
    END LOOP;
END $$;
CREATE INDEX ON payment (organization_id, transaction_id);
CREATE INDEX ON allocation (organization_id, transaction_id);
CREATE INDEX ON audit (organization_id, transaction_id);

-- Statements of account and the day's totals go by accounting date; ids carry their moment, so this grows at its end.
CREATE INDEX ON journal_entry (organization_id, accounting_date, id);

-- How far the balances below have read the postings: all of transactions before covers_until, none from it on.
CREATE TABLE balance_watermark (
    organization_id int NOT NULL REFERENCES organization (id),
    covers_until xid8 NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id)
);
SELECT vienphi_isolate_tenant('balance_watermark');
GRANT INSERT, UPDATE (covers_until, taken_at) ON balance_watermark TO vienphi_app;

-- What each account moved on each accounting date, up to the watermark. A balance is their sum and the later postings.
CREATE TABLE balance_snapshot (
    organization_id int NOT NULL,
    account_id uuid NOT NULL,
    accounting_date date NOT NULL,
    debit bigint NOT NULL CHECK (debit >= 0),
    credit bigint NOT NULL CHECK (credit >= 0),
    PRIMARY KEY (organization_id, account_id, accounting_date),
    FOREIGN KEY (organization_id, account_id) REFERENCES ledger_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('balance_snapshot');
GRANT INSERT, UPDATE (debit, credit) ON balance_snapshot TO vienphi_app;

-- The closing of a day, once: who closed it and what it held.
CREATE TABLE day_closing (
    organization_id int NOT NULL,
    day date NOT NULL,
    closed_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    entries int NOT NULL CHECK (entries >= 0),
    amount bigint NOT NULL CHECK (amount >= 0),
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, day),
    FOREIGN KEY (organization_id, day) REFERENCES business_day (organization_id, day)
);
CREATE INDEX ON day_closing (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('day_closing');
SELECT vienphi_append_only('day_closing');
GRANT INSERT (organization_id, day, closed_at, actor_kind, actor_id, acting_for, entries, amount)
    ON day_closing TO vienphi_app;

-- A closed day stays closed, and days close in order, whoever asks.
CREATE FUNCTION vienphi_guard_day() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'closed' THEN
        RAISE EXCEPTION 'a closed day stays as it is' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'closed' AND EXISTS (
        SELECT FROM business_day AS earlier
        WHERE earlier.organization_id = NEW.organization_id AND earlier.day < NEW.day AND earlier.state = 'open'
    ) THEN
        RAISE EXCEPTION 'an earlier day is open' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER day_closes_once BEFORE UPDATE ON business_day FOR EACH ROW EXECUTE FUNCTION vienphi_guard_day();

-- A chain of blocks over finished rows. Each block begins at the number and with the hash where the one before it ended,
-- which the foreign key holds: there is no gap and no fork. The hash covers the block's own columns and its rows.
CREATE TABLE seal (
    organization_id int NOT NULL REFERENCES organization (id),
    number bigint NOT NULL CHECK (number > 0),
    previous_number bigint,
    previous_hash bytea NOT NULL CHECK (octet_length(previous_hash) = 32),
    covers_from xid8 NOT NULL,
    covers_until xid8 NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    entries int NOT NULL,
    postings int NOT NULL,
    payments int NOT NULL,
    allocations int NOT NULL,
    audit_rows int NOT NULL,
    closings int NOT NULL,
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, number),
    UNIQUE (organization_id, number, covers_until, hash),
    FOREIGN KEY (organization_id, previous_number, covers_from, previous_hash)
        REFERENCES seal (organization_id, number, covers_until, hash),
    CONSTRAINT covers_something CHECK (covers_from < covers_until),
    CONSTRAINT follows_its_previous CHECK (
        CASE WHEN number = 1
            THEN previous_number IS NULL AND covers_from = '0'::xid8
                AND previous_hash = decode(repeat('00', 32), 'hex')
            ELSE previous_number IS NOT NULL AND previous_number = number - 1
        END)
);
CREATE INDEX ON seal (organization_id, covers_until);
SELECT vienphi_isolate_tenant('seal');
SELECT vienphi_append_only('seal');
GRANT INSERT ON seal TO vienphi_app;
