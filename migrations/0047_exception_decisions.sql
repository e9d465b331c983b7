-- Decisions on exceptions, with comments, owners and due times. Source: docs/reconciliation.md, Exceptions.

-- What an exception of reconciliation is about: one item of a side (`match_item`), or a match. `business_day` is the day
-- that it belongs to; NULL is the day of its opening. `version` counts the changes; the last one names its person (NULL is
-- the system). A decision closes an exception, its reversal opens it again.
ALTER TABLE exception_case
    ADD COLUMN item_kind text CHECK (item_kind IN (
        'statement_line', 'settlement_line', 'payout', 'payment', 'outflow', 'refund', 'card_batch', 'bank_deposit',
        'bank_statement')),
    ADD COLUMN item_id uuid,
    ADD COLUMN match_id uuid,
    ADD COLUMN bank_account_id uuid,
    ADD COLUMN business_day date,
    ADD COLUMN version int NOT NULL DEFAULT 1,
    ADD COLUMN changed_by uuid,
    ADD COLUMN changed_at timestamptz,
    ADD CONSTRAINT item_is_named CHECK ((item_kind IS NULL) = (item_id IS NULL)),
    ADD FOREIGN KEY (organization_id, match_id) REFERENCES match (organization_id, id),
    ADD FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id),
    ADD FOREIGN KEY (organization_id, changed_by) REFERENCES person (organization_id, id);
CREATE UNIQUE INDEX exception_case_once_per_item ON exception_case (organization_id, item_kind, item_id, reason)
    WHERE state = 'open' AND item_id IS NOT NULL;
CREATE INDEX ON exception_case (organization_id, item_id) WHERE item_id IS NOT NULL;
CREATE INDEX ON exception_case (organization_id, payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX ON exception_case (organization_id, owner_id) WHERE state = 'open';
DROP TRIGGER state_is_first ON exception_case;
DROP TRIGGER state_transition ON exception_case;
SELECT vienphi_guard_states('exception_case', ARRAY['open'], ARRAY['open>closed', 'closed>open']);
GRANT INSERT (item_kind, item_id, match_id, bank_account_id, business_day) ON exception_case TO vienphi_app;
GRANT UPDATE (version, changed_by, changed_at) ON exception_case TO vienphi_app;

-- A person's decision on an exception (or the system's, where the cause is gone). `accounting_date` is the day whose
-- closing makes it final; `visit_id` and its invoice or deposit request are where money was assigned to. A row with
-- `reverts_id` reverts another decision; each is reverted once.
CREATE TABLE exception_decision (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    exception_id uuid NOT NULL,
    action text NOT NULL CHECK (action ~ '^[a-z][a-z_]{0,39}$'),
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    is_closing boolean NOT NULL,
    accounting_date date NOT NULL,
    visit_id uuid,
    invoice_id uuid,
    deposit_request_id uuid,
    refund_id uuid,
    approval_id uuid,
    reverts_id uuid,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, reverts_id),
    FOREIGN KEY (organization_id, exception_id) REFERENCES exception_case (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    FOREIGN KEY (organization_id, deposit_request_id) REFERENCES deposit_request (organization_id, id),
    FOREIGN KEY (organization_id, refund_id) REFERENCES refund (organization_id, id),
    FOREIGN KEY (organization_id, approval_id) REFERENCES approval (organization_id, id),
    FOREIGN KEY (organization_id, reverts_id) REFERENCES exception_decision (organization_id, id),
    FOREIGN KEY (organization_id, acting_for) REFERENCES person (organization_id, id),
    CONSTRAINT revert_is_one CHECK ((action = 'revert') = (reverts_id IS NOT NULL)),
    CONSTRAINT system_sees_cause_gone CHECK ((acting_for IS NULL) = (action = 'cause_gone'))
);
CREATE INDEX ON exception_decision (organization_id, exception_id);
SELECT vienphi_isolate_tenant('exception_decision');
SELECT vienphi_append_only('exception_decision');
GRANT INSERT ON exception_decision TO vienphi_app;

-- One journal entry of a decision, in order. An assignment of money names its new allocation, and what it was before.
CREATE TABLE exception_decision_entry (
    organization_id int NOT NULL,
    decision_id uuid NOT NULL,
    position int NOT NULL CHECK (position > 0),
    entry_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    allocation_id uuid,
    source text CHECK (source IN ('unallocated', 'credit')),
    PRIMARY KEY (organization_id, decision_id, position),
    FOREIGN KEY (organization_id, decision_id) REFERENCES exception_decision (organization_id, id),
    FOREIGN KEY (organization_id, entry_id) REFERENCES journal_entry (organization_id, id),
    FOREIGN KEY (organization_id, allocation_id) REFERENCES allocation (organization_id, id),
    CONSTRAINT allocation_has_source CHECK ((allocation_id IS NULL) = (source IS NULL))
);
CREATE INDEX ON exception_decision_entry (organization_id, entry_id);
SELECT vienphi_isolate_tenant('exception_decision_entry');
SELECT vienphi_append_only('exception_decision_entry');
GRANT INSERT ON exception_decision_entry TO vienphi_app;

-- Comments of persons on an exception. They may name a patient: the text is personal and erased after its retention.
CREATE TABLE exception_comment (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    exception_id uuid NOT NULL,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 2000),
    written_by uuid NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, exception_id) REFERENCES exception_case (organization_id, id),
    FOREIGN KEY (organization_id, written_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON exception_comment (organization_id, exception_id);
SELECT vienphi_isolate_tenant('exception_comment', is_personal => true);
GRANT INSERT, DELETE ON exception_comment TO vienphi_app;

-- Each change of the owner or the due time of an exception.
CREATE TABLE exception_assignment (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    exception_id uuid NOT NULL,
    owner_id uuid,
    due_at timestamptz NOT NULL,
    assigned_by uuid NOT NULL,
    assigned_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, exception_id) REFERENCES exception_case (organization_id, id),
    FOREIGN KEY (organization_id, owner_id) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, assigned_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON exception_assignment (organization_id, exception_id);
SELECT vienphi_isolate_tenant('exception_assignment');
SELECT vienphi_append_only('exception_assignment');
GRANT INSERT ON exception_assignment TO vienphi_app;

-- A decision releases a hold, its reversal holds the payment again.
DROP TRIGGER set_once ON payment_hold;
CREATE TRIGGER released_from_held BEFORE UPDATE ON payment_hold FOR EACH ROW
    WHEN (OLD.released_at IS NOT NULL AND NEW.released_at IS NOT NULL AND NEW.released_at <> OLD.released_at)
    EXECUTE FUNCTION vienphi_reject_row('a released hold is released again only after it was held again');
