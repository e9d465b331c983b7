-- Payments, their positions, allocations and holds. Source: docs/design.md §2, Payment; §5, Where money goes.

CREATE TABLE payment (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    bank_account_id uuid,
    delivery_id uuid NOT NULL,
    intent_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    provider_reference text NOT NULL,
    bank_reference text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id)
);
CREATE INDEX ON payment (organization_id, intent_id) WHERE intent_id IS NOT NULL;
-- For duplicate candidates: equal amount and near time on one bank account.
CREATE INDEX ON payment (organization_id, bank_account_id, amount, occurred_at);
CREATE INDEX ON payment (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('payment');
SELECT vienphi_append_only('payment');
SELECT vienphi_grant_insert_except('payment', 'transaction_id');

-- Personal: the payer and the transfer text. Deleted after its retention.
CREATE TABLE payment_origin (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    transfer_text text NOT NULL,
    payer_name text NOT NULL,
    payer_account text NOT NULL,
    payer_bank text NOT NULL,
    PRIMARY KEY (organization_id, payment_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id)
);
SELECT vienphi_isolate_tenant('payment_origin', is_personal => true);
GRANT INSERT, DELETE ON payment_origin TO vienphi_app;

-- The one mutable row that states how a payment is distributed. Every allocation locks it.
CREATE TABLE payment_position (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    on_invoices bigint NOT NULL DEFAULT 0 CHECK (on_invoices >= 0),
    on_deposits bigint NOT NULL DEFAULT 0 CHECK (on_deposits >= 0),
    credit bigint NOT NULL DEFAULT 0 CHECK (credit >= 0),
    unallocated bigint NOT NULL DEFAULT 0 CHECK (unallocated >= 0),
    refund_reserved bigint NOT NULL DEFAULT 0 CHECK (refund_reserved >= 0),
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    PRIMARY KEY (organization_id, payment_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    CONSTRAINT parts_sum_to_payment
        CHECK (amount = on_invoices + on_deposits + credit + unallocated + refund_reserved + refunded)
);
SELECT vienphi_isolate_tenant('payment_position');
GRANT INSERT, UPDATE (on_invoices, on_deposits, credit, unallocated, refund_reserved, refunded)
    ON payment_position TO vienphi_app;

-- The assignment of a part of a payment. Rows are only added; one row with `reverses_id` cancels another completely.
CREATE TABLE allocation (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    target text NOT NULL CHECK (target IN ('invoice', 'deposit', 'credit', 'unallocated', 'refund')),
    invoice_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    reverses_id uuid,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, reverses_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    FOREIGN KEY (organization_id, reverses_id) REFERENCES allocation (organization_id, id),
    CONSTRAINT invoice_named CHECK ((target = 'invoice') = (invoice_id IS NOT NULL))
);
CREATE INDEX ON allocation (organization_id, payment_id);
CREATE INDEX ON allocation (organization_id, invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX ON allocation (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('allocation');
SELECT vienphi_append_only('allocation');
SELECT vienphi_grant_insert_except('allocation', 'transaction_id');

-- The block on a duplicate candidate: no allocation, refund or assignment until it is released. It is released once.
CREATE TABLE payment_hold (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    other_payment_id uuid NOT NULL,
    held_at timestamptz NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (organization_id, payment_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, other_payment_id) REFERENCES payment (organization_id, id)
);
CREATE INDEX ON payment_hold (organization_id, other_payment_id);
SELECT vienphi_guard_once('payment_hold', 'released_at');
SELECT vienphi_isolate_tenant('payment_hold');
SELECT vienphi_grant_insert_except('payment_hold', 'released_at');
GRANT UPDATE (released_at) ON payment_hold TO vienphi_app;

-- Money that left an account before its payment is known. It is examined again when a payment is booked under one of its
-- names: `keys` are movement keys of received money, each as account/key; `code` is a reference code, or empty. A row is
-- matched once, to one payment. `payment_id` and `matched_at` are not sealed: the entry of the match is.
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
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    CONSTRAINT is_traceable CHECK (cardinality(keys) > 0 OR code <> ''),
    CONSTRAINT matched_has_time CHECK ((payment_id IS NULL) = (matched_at IS NULL))
);
-- Few outflows are unmatched, and every booking of a payment searches them.
CREATE INDEX unmatched_outflow_by_key ON unmatched_outflow USING gin (keys) WHERE payment_id IS NULL;
CREATE INDEX unmatched_outflow_by_code ON unmatched_outflow (organization_id, code)
    WHERE payment_id IS NULL AND code <> '';
CREATE INDEX unmatched_outflow_by_age ON unmatched_outflow (organization_id, recorded_at) WHERE payment_id IS NULL;
CREATE INDEX ON unmatched_outflow (organization_id, transaction_id);

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
SELECT vienphi_isolate_tenant('unmatched_outflow');
SELECT vienphi_grant_insert_except('unmatched_outflow', 'transaction_id');
GRANT UPDATE (payment_id, matched_at) ON unmatched_outflow TO vienphi_app;
