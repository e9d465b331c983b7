-- Money that left before its payment is known: kept with the names that lead to the payment, and examined again whenever
-- a payment under one of them is booked. Source: DESIGN §5, Where money goes.
--
-- `keys` are fact keys of money received, each as account/key; `code` is a reference code, empty where none counts.
-- A row is matched once, to one payment, and then stays.
CREATE TABLE unmatched_outflow (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    keys text[] NOT NULL,
    code text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    payment_id uuid,
    matched_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    CONSTRAINT is_traceable CHECK (cardinality(keys) > 0 OR code <> ''),
    CONSTRAINT matched_has_time CHECK ((payment_id IS NULL) = (matched_at IS NULL))
);
-- What is not matched yet is little, and is looked through at every booking of a payment.
CREATE INDEX unmatched_outflow_by_key ON unmatched_outflow USING gin (keys) WHERE payment_id IS NULL;
CREATE INDEX unmatched_outflow_by_code ON unmatched_outflow (organization_id, code)
    WHERE payment_id IS NULL AND code <> '';
CREATE INDEX unmatched_outflow_by_age ON unmatched_outflow (organization_id, recorded_at) WHERE payment_id IS NULL;
SELECT vienphi_isolate_tenant('unmatched_outflow');
GRANT INSERT, UPDATE (payment_id, matched_at) ON unmatched_outflow TO vienphi_app;

-- Matched is final: the money of an outflow is taken out of one payment, once.
CREATE FUNCTION vienphi_match_outflow_once() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.payment_id IS NOT NULL THEN
        RAISE EXCEPTION 'an outflow is added unmatched' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.payment_id IS NOT NULL THEN
        RAISE EXCEPTION 'an outflow is matched once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER matched_once BEFORE INSERT OR UPDATE ON unmatched_outflow
    FOR EACH ROW EXECUTE FUNCTION vienphi_match_outflow_once();

-- An open payment is asked about too; the day after which a person decides begins when it is no longer open.
GRANT UPDATE (started_at) ON status_poll TO vienphi_app;
