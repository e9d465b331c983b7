-- Refunds: requested, approved, sent by provider, in cash or by bank transfer, with payment orders for the bank. Source:
-- docs/design.md §5, Where money goes; §7; docs/visit-accounts.md, Refunds.

-- A refund above this amount, in đồng, is approved by a second person; 0: every refund.
ALTER TABLE organization ADD COLUMN refund_approval_above bigint NOT NULL DEFAULT 0 CHECK (refund_approval_above >= 0);

-- Money reserved for return and sent at most once. `reference` is our code of the refund, in the request to the provider
-- and in the text of a transfer. `due_at` is the time of the next call to the provider, or the end of a lease of one.
-- `outflow_id` is the movement that a provider or bank reported for it.
CREATE TABLE refund (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    reference text NOT NULL CHECK (reference ~ '^[2-9A-HJ-NP-Z]{9}$'),
    visit_id uuid,
    way text NOT NULL CHECK (way IN ('provider', 'cash', 'manual_transfer')),
    amount bigint NOT NULL CHECK (amount > 0),
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    needs_approval boolean NOT NULL,
    provider_account_id uuid,
    state text NOT NULL CHECK (state IN (
        'requested', 'approved', 'refused', 'cancelled', 'sent', 'unknown', 'done', 'failed')),
    version int NOT NULL CHECK (version > 0),
    requested_by uuid,
    requested_at timestamptz NOT NULL,
    sent_by uuid,
    sent_at timestamptz,
    bank_account_id uuid,
    due_at timestamptz,
    last_outcome text,
    provider_reference text NOT NULL DEFAULT '',
    bank_reference text NOT NULL DEFAULT '',
    outflow_id uuid,
    ended_by uuid,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, reference),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id),
    FOREIGN KEY (organization_id, requested_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, sent_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, ended_by) REFERENCES person (organization_id, id),
    CONSTRAINT provider_named CHECK ((way = 'provider') = (provider_account_id IS NOT NULL)),
    CONSTRAINT sent_has_time CHECK (state NOT IN ('sent', 'unknown', 'done', 'failed') OR sent_at IS NOT NULL),
    CONSTRAINT ended_has_time CHECK (
        (state IN ('refused', 'cancelled', 'done', 'failed')) = (ended_at IS NOT NULL))
);
CREATE INDEX ON refund (organization_id, visit_id) WHERE visit_id IS NOT NULL;
CREATE INDEX refund_due ON refund (organization_id, due_at) WHERE state IN ('approved', 'sent', 'unknown');
CREATE UNIQUE INDEX refund_one_of_outflow ON refund (organization_id, outflow_id) WHERE outflow_id IS NOT NULL;
SELECT vienphi_guard_states('refund', ARRAY['requested'], ARRAY[
    'requested>approved', 'requested>refused', 'requested>cancelled', 'approved>cancelled', 'approved>sent',
    'approved>done', 'sent>unknown', 'sent>done', 'sent>failed', 'unknown>sent', 'unknown>done', 'unknown>failed']);
SELECT vienphi_guard_once('refund', 'sent_at', 'ended_at', 'outflow_id');
SELECT vienphi_isolate_tenant('refund');
SELECT vienphi_grant_insert_except('refund', 'sent_by', 'sent_at', 'bank_account_id', 'due_at', 'last_outcome',
    'provider_reference', 'bank_reference', 'outflow_id', 'ended_by', 'ended_at');
GRANT UPDATE (state, version, sent_by, sent_at, bank_account_id, due_at, last_outcome, provider_reference,
    bank_reference, outflow_id, ended_by, ended_at) ON refund TO vienphi_app;

-- A refund above the amount of the organization needs a second person; it is approved only with an approved proposal.
CREATE FUNCTION vienphi_guard_refund() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT NEW.needs_approval AND NEW.amount > (
        SELECT refund_approval_above FROM public.organization WHERE id = NEW.organization_id)
    THEN
        RAISE EXCEPTION 'a refund of this amount is approved by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER needs_approval_above BEFORE INSERT ON refund FOR EACH ROW EXECUTE FUNCTION vienphi_guard_refund();
CREATE TRIGGER approved_by_two BEFORE UPDATE ON refund FOR EACH ROW
    WHEN (OLD.needs_approval AND OLD.state <> 'approved' AND NEW.state = 'approved')
    EXECUTE FUNCTION vienphi_require_approval('refund');

-- The reserved parts of a refund, each an allocation of a payment to the target `refund`, with the place it came from.
CREATE TABLE refund_part (
    organization_id int NOT NULL,
    refund_id uuid NOT NULL,
    allocation_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    source text NOT NULL CHECK (source IN ('credit', 'deposit', 'unallocated')),
    deposit_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (organization_id, refund_id, allocation_id),
    UNIQUE (organization_id, allocation_id),
    FOREIGN KEY (organization_id, refund_id) REFERENCES refund (organization_id, id),
    FOREIGN KEY (organization_id, allocation_id) REFERENCES allocation (organization_id, id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, deposit_id) REFERENCES deposit (organization_id, id),
    CONSTRAINT deposit_named CHECK ((source = 'deposit') = (deposit_id IS NOT NULL))
);
CREATE INDEX ON refund_part (organization_id, payment_id);
SELECT vienphi_isolate_tenant('refund_part');
SELECT vienphi_append_only('refund_part');
GRANT INSERT ON refund_part TO vienphi_app;

-- Personal: the bank account that a refund is transferred to. `captured`: from the payer of its payment. `stated`: named
-- by a person, and confirmed by the second person who approves the refund. Deleted after its retention.
CREATE TABLE refund_destination (
    organization_id int NOT NULL,
    refund_id uuid NOT NULL,
    bank_bin text NOT NULL CHECK (bank_bin ~ '^[0-9]{6}$'),
    account_number text NOT NULL CHECK (account_number ~ '^[0-9A-Za-z]{1,19}$'),
    holder text NOT NULL CHECK (length(holder) BETWEEN 1 AND 100),
    source text NOT NULL CHECK (source IN ('captured', 'stated')),
    PRIMARY KEY (organization_id, refund_id),
    FOREIGN KEY (organization_id, refund_id) REFERENCES refund (organization_id, id)
);
SELECT vienphi_isolate_tenant('refund_destination', is_personal => true);
GRANT INSERT, DELETE ON refund_destination TO vienphi_app;

-- A file of transfers for one bank account (ủy nhiệm chi). A refund is part of at most one.
CREATE TABLE payment_order (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    bank_account_id uuid NOT NULL,
    layout text NOT NULL CHECK (layout ~ '^[a-z0-9][a-z0-9_]{0,39}$'),
    amount bigint NOT NULL CHECK (amount > 0),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id),
    FOREIGN KEY (organization_id, created_by) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('payment_order');
SELECT vienphi_append_only('payment_order');
GRANT INSERT ON payment_order TO vienphi_app;

CREATE TABLE payment_order_line (
    organization_id int NOT NULL,
    payment_order_id uuid NOT NULL,
    line int NOT NULL CHECK (line > 0),
    refund_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (organization_id, payment_order_id, line),
    UNIQUE (organization_id, refund_id),
    FOREIGN KEY (organization_id, payment_order_id) REFERENCES payment_order (organization_id, id),
    FOREIGN KEY (organization_id, refund_id) REFERENCES refund (organization_id, id)
);
SELECT vienphi_isolate_tenant('payment_order_line');
SELECT vienphi_append_only('payment_order_line');
GRANT INSERT ON payment_order_line TO vienphi_app;

ALTER TABLE receipt_part ADD FOREIGN KEY (organization_id, refund_id) REFERENCES refund (organization_id, id);

-- A transfer by hand is confirmed by another person than the one who sent it.
CREATE TRIGGER two_humans AFTER UPDATE ON refund FOR EACH ROW
    WHEN (NEW.way = 'manual_transfer' AND NEW.state = 'done')
    EXECUTE FUNCTION vienphi_two_humans('sent_by', 'ended_by', 'done');

ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off', 'refund'));

CREATE OR REPLACE FUNCTION vienphi_guard_proposal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_complete boolean := CASE NEW.kind
        WHEN 'tariff' THEN EXISTS (
            SELECT FROM public.tariff WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND state = 'draft' AND completed_at IS NOT NULL AND drafted_by = NEW.proposed_by)
        WHEN 'facility_pricing' THEN EXISTS (
            SELECT FROM public.facility_pricing WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
        WHEN 'facility_policy' THEN EXISTS (
            SELECT FROM public.facility_policy WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
        WHEN 'account_change' THEN EXISTS (
            SELECT FROM public.provider_account WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
        WHEN 'dead_letter_closing' THEN EXISTS (
            SELECT FROM public.dead_letter WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND retried_at IS NULL AND closed_at IS NULL)
        WHEN 'exemption' THEN EXISTS (
            SELECT FROM public.exemption WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND state = 'proposed')
        WHEN 'write_off' THEN EXISTS (
            SELECT FROM public.debt WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND state = 'agreed')
        WHEN 'refund' THEN EXISTS (
            SELECT FROM public.refund WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND state = 'requested')
    END;
BEGIN
    IF NOT is_complete THEN
        RAISE EXCEPTION 'the subject of a % cannot be proposed', NEW.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
