-- The closing of a month: all of its days are closed and its statements are complete. Source: docs/reconciliation.md,
-- Closing of a month.

-- `month` is its first day. `content` is the compressed certificate; its hash is sealed.
CREATE TABLE month_closing (
    organization_id int NOT NULL REFERENCES organization (id),
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    closed_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    days int NOT NULL CHECK (days BETWEEN 1 AND 31),
    entries int NOT NULL CHECK (entries >= 0),
    amount bigint NOT NULL CHECK (amount >= 0),
    content bytea NOT NULL,
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, month)
);
CREATE INDEX ON month_closing (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('month_closing');
SELECT vienphi_append_only('month_closing');
SELECT vienphi_grant_insert_except('month_closing', 'transaction_id');

-- A month closes after its days, and after every earlier month that has days.
CREATE FUNCTION vienphi_guard_month() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.business_day WHERE organization_id = NEW.organization_id AND state = 'open'
            AND day < NEW.month + interval '1 month') THEN
        RAISE EXCEPTION 'a day of the month or an earlier one is open' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.month + interval '1 month' > (NEW.closed_at AT TIME ZONE interval '7 hours')::date THEN
        RAISE EXCEPTION 'the month is not over' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM public.business_day AS earlier
            WHERE earlier.organization_id = NEW.organization_id AND earlier.day < NEW.month
                AND NOT EXISTS (SELECT FROM public.month_closing AS closed
                    WHERE closed.organization_id = NEW.organization_id
                        AND closed.month = date_trunc('month', earlier.day)::date)) THEN
        RAISE EXCEPTION 'an earlier month is open' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER months_in_order BEFORE INSERT ON month_closing FOR EACH ROW EXECUTE FUNCTION vienphi_guard_month();

-- No day is added to a closed month, so that no entry is posted into it.
CREATE FUNCTION vienphi_reject_day_of_closed_month() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.month_closing WHERE organization_id = NEW.organization_id
            AND month = date_trunc('month', NEW.day)::date) THEN
        RAISE EXCEPTION 'the month of the day is closed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER month_is_open BEFORE INSERT ON business_day
    FOR EACH ROW EXECUTE FUNCTION vienphi_reject_day_of_closed_month();
