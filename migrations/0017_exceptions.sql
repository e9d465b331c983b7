-- Exceptions: disagreements that a person must decide. Source: docs/design.md §2, Exception.

-- The due time and owner of exceptions by reason, where an organization differs from the defaults of
-- `payments/domain/exception.py`. The owner of the database sets them; the service reads them.
CREATE TABLE exception_terms (
    organization_id int NOT NULL REFERENCES organization (id),
    reason text NOT NULL CHECK (reason ~ '^[a-z][a-z_]{0,59}$'),
    due_hours int NOT NULL CHECK (due_hours BETWEEN 1 AND 720),
    owner_id uuid,
    PRIMARY KEY (organization_id, reason),
    FOREIGN KEY (organization_id, owner_id) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('exception_terms');

CREATE TABLE exception_case (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    reason text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    amount bigint NOT NULL CHECK (amount >= 0),
    provider_account_id uuid,
    delivery_id uuid,
    payment_id uuid,
    intent_id uuid,
    proposal jsonb,
    owner_id uuid,
    opened_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id),
    FOREIGN KEY (organization_id, owner_id) REFERENCES person (organization_id, id)
);
CREATE INDEX ON exception_case (organization_id, opened_at) WHERE state = 'open';
CREATE INDEX ON exception_case (organization_id, transaction_id);
SELECT vienphi_guard_states('exception_case', ARRAY['open'], ARRAY['open>closed']);
SELECT vienphi_isolate_tenant('exception_case');
SELECT vienphi_grant_insert_except('exception_case', 'transaction_id');
GRANT UPDATE (state, owner_id, due_at) ON exception_case TO vienphi_app;
