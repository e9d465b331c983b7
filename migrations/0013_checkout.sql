-- Intents with their targets and payment pages. Source: docs/design.md §2, Intent; §5, States; §8.

-- A request to collect one amount under one reference code. `received` is the money that arrived under the code.
CREATE TABLE intent (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    reference_code text NOT NULL CHECK (reference_code ~ '^[2-9A-HJ-NP-Z]{9}$'),
    state text NOT NULL
        CHECK (state IN ('created', 'pending', 'unknown', 'failed', 'cancelled', 'expired', 'succeeded')),
    version int NOT NULL CHECK (version > 0),
    amount bigint NOT NULL CHECK (amount > 0),
    received bigint NOT NULL DEFAULT 0 CHECK (received >= 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    instruction jsonb,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, reference_code),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    CONSTRAINT succeeded_when_received CHECK (state <> 'succeeded' OR received >= amount)
);
CREATE INDEX ON intent (organization_id, expires_at) WHERE state IN ('created', 'pending', 'unknown');
-- The transitions of `payments/domain/intent.py`.
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
SELECT vienphi_isolate_tenant('intent');
SELECT vienphi_grant_insert_except('intent', 'instruction');
GRANT UPDATE (state, version, received, instruction) ON intent TO vienphi_app;

-- The invoices that an intent collects for, in the order of allocation.
CREATE TABLE intent_invoice (
    organization_id int NOT NULL,
    intent_id uuid NOT NULL,
    position int NOT NULL CHECK (position > 0),
    invoice_id uuid NOT NULL,
    PRIMARY KEY (organization_id, intent_id, position),
    UNIQUE (organization_id, intent_id, invoice_id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id)
);
CREATE INDEX ON intent_invoice (organization_id, invoice_id);
SELECT vienphi_isolate_tenant('intent_invoice');
SELECT vienphi_append_only('intent_invoice');
GRANT INSERT ON intent_invoice TO vienphi_app;

-- Personal: the random token of the payment page of an intent. It opens a name and an amount, so the auditor does not
-- read it.
CREATE TABLE pay_page (
    organization_id int NOT NULL,
    intent_id uuid NOT NULL,
    token bytea NOT NULL CHECK (octet_length(token) = 16),
    PRIMARY KEY (organization_id, intent_id),
    UNIQUE (organization_id, token),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id)
);
SELECT vienphi_isolate_tenant('pay_page', is_personal => true);
GRANT INSERT, DELETE ON pay_page TO vienphi_app;
