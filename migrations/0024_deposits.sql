-- Deposits (tạm thu, tạm ứng): money taken for an open visit before its final bill, and the requests for it. Source:
-- docs/design.md §2, §5; docs/reference/hospital-money.md §4.
--
-- All money that is collected before the final bill is the deposit of the visit. A deposit request names the order lines
-- (tạm thu) or an amount (tạm ứng) that are to be collected; it is no second store of money.

-- One deposit for each visit. held = received − applied − returned. `received` counts money allocated to the deposit,
-- `applied` money moved on to invoices, `returned` money that left the deposit again (hoàn ứng, reversal, void).
CREATE TABLE deposit (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    version int NOT NULL CHECK (version > 0),
    received bigint NOT NULL DEFAULT 0 CHECK (received >= 0),
    applied bigint NOT NULL DEFAULT 0 CHECK (applied >= 0),
    returned bigint NOT NULL DEFAULT 0 CHECK (returned >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, visit_id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    CONSTRAINT held_is_received_less_uses CHECK (held = received - applied - returned)
);
CREATE INDEX deposit_with_money ON deposit (organization_id, opened_at) WHERE held > 0;
SELECT vienphi_guard_states('deposit', ARRAY['open'], ARRAY['open>closed', 'closed>open']);
CREATE TRIGGER deposit_is_empty BEFORE INSERT ON deposit FOR EACH ROW WHEN (NEW.received + NEW.applied + NEW.returned <> 0)
    EXECUTE FUNCTION vienphi_reject_row('a new deposit is empty');
SELECT vienphi_isolate_tenant('deposit');
SELECT vienphi_grant_insert_except('deposit', 'received', 'applied', 'returned', 'held');
GRANT UPDATE (state, version, received, applied, returned, held) ON deposit TO vienphi_app;

-- What is to be collected: `order_lines` (the patient amounts of ticked orders) or `advance` (an amount, proposed from
-- the cost to date). `received` counts money paid for the request.
CREATE TABLE deposit_request (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    deposit_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('order_lines', 'advance')),
    state text NOT NULL CHECK (state IN ('requested', 'partly', 'paid', 'withdrawn', 'superseded')),
    version int NOT NULL CHECK (version > 0),
    amount bigint NOT NULL CHECK (amount > 0),
    proposed_amount bigint NOT NULL CHECK (proposed_amount >= 0),
    received bigint NOT NULL DEFAULT 0 CHECK (received >= 0),
    superseded_by uuid,
    requested_by uuid,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, deposit_id) REFERENCES deposit (organization_id, id),
    FOREIGN KEY (organization_id, superseded_by) REFERENCES deposit_request (organization_id, id),
    FOREIGN KEY (organization_id, requested_by) REFERENCES person (organization_id, id),
    CONSTRAINT paid_is_received CHECK (state <> 'paid' OR received >= amount),
    CONSTRAINT superseded_names_request CHECK (state <> 'superseded' OR superseded_by IS NOT NULL)
);
CREATE INDEX ON deposit_request (organization_id, deposit_id);
CREATE INDEX deposit_request_waiting ON deposit_request (organization_id, requested_at)
    WHERE state IN ('requested', 'partly');
SELECT vienphi_guard_states('deposit_request', ARRAY['requested'], ARRAY[
    'requested>partly', 'requested>paid', 'requested>withdrawn', 'requested>superseded', 'partly>requested',
    'partly>paid', 'partly>withdrawn', 'partly>superseded', 'paid>partly', 'paid>requested',
    'withdrawn>paid', 'withdrawn>partly', 'superseded>paid', 'superseded>partly']);
SELECT vienphi_isolate_tenant('deposit_request');
SELECT vienphi_grant_insert_except('deposit_request', 'received', 'superseded_by');
GRANT UPDATE (state, version, received, superseded_by) ON deposit_request TO vienphi_app;

-- The order lines of a request, each with its patient amount when it was ticked.
CREATE TABLE deposit_request_line (
    organization_id int NOT NULL,
    request_id uuid NOT NULL,
    visit_id uuid NOT NULL,
    line text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (organization_id, request_id, line),
    FOREIGN KEY (organization_id, request_id) REFERENCES deposit_request (organization_id, id),
    FOREIGN KEY (organization_id, visit_id, line) REFERENCES charge_item (organization_id, visit_id, line)
);
CREATE INDEX ON deposit_request_line (organization_id, visit_id, line);
SELECT vienphi_isolate_tenant('deposit_request_line');
SELECT vienphi_append_only('deposit_request_line');
GRANT INSERT ON deposit_request_line TO vienphi_app;

-- An intent collects for invoices, or for one deposit and at most one request of it. A standing intent (mã thu cố định)
-- of a deposit accepts any amount any number of times: its amount is 0, and it never succeeds.
ALTER TABLE intent
    ADD COLUMN deposit_id uuid,
    ADD COLUMN deposit_request_id uuid,
    ADD COLUMN is_standing boolean NOT NULL DEFAULT false,
    ADD FOREIGN KEY (organization_id, deposit_id) REFERENCES deposit (organization_id, id),
    ADD FOREIGN KEY (organization_id, deposit_request_id) REFERENCES deposit_request (organization_id, id),
    DROP CONSTRAINT intent_amount_check,
    ADD CONSTRAINT amount_unless_standing CHECK (CASE WHEN is_standing THEN amount = 0 ELSE amount > 0 END),
    ADD CONSTRAINT standing_is_of_deposit CHECK (NOT is_standing OR deposit_id IS NOT NULL),
    ADD CONSTRAINT request_is_of_deposit CHECK (deposit_request_id IS NULL OR deposit_id IS NOT NULL),
    ADD CONSTRAINT standing_never_succeeds CHECK (NOT is_standing OR state <> 'succeeded');
CREATE INDEX ON intent (organization_id, deposit_id) WHERE deposit_id IS NOT NULL;
CREATE UNIQUE INDEX intent_one_standing ON intent (organization_id, deposit_id)
    WHERE is_standing AND state IN ('created', 'pending', 'unknown');
SELECT vienphi_grant_insert_except('intent', 'instruction');

ALTER TABLE allocation
    ADD COLUMN deposit_id uuid,
    ADD FOREIGN KEY (organization_id, deposit_id) REFERENCES deposit (organization_id, id),
    ADD CONSTRAINT deposit_named CHECK ((target = 'deposit') = (deposit_id IS NOT NULL));
CREATE INDEX ON allocation (organization_id, deposit_id) WHERE deposit_id IS NOT NULL;
SELECT vienphi_grant_insert_except('allocation', 'transaction_id');

-- Counter money is a payment without a provider: cash or a card terminal. `shift_id` names the shift that took it.
ALTER TABLE payment
    ADD COLUMN method text NOT NULL DEFAULT 'provider' CHECK (method IN ('provider', 'cash', 'card', 'transfer')),
    ADD COLUMN shift_id uuid,
    ALTER COLUMN provider_account_id DROP NOT NULL,
    ALTER COLUMN delivery_id DROP NOT NULL,
    ADD CONSTRAINT provider_money_has_delivery CHECK (
        (method = 'provider') = (provider_account_id IS NOT NULL AND delivery_id IS NOT NULL)),
    ADD CONSTRAINT counter_money_has_shift CHECK ((method IN ('cash', 'card')) = (shift_id IS NOT NULL));
CREATE INDEX ON payment (organization_id, shift_id) WHERE shift_id IS NOT NULL;
SELECT vienphi_grant_insert_except('payment', 'transaction_id');
