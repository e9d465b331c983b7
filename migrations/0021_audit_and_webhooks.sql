-- Audit, outbox and webhooks. Source: docs/design.md §4, Journal; §5, point 5.

-- Who did which action to which subject; ids only.
CREATE TABLE audit (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX ON audit (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('audit');
SELECT vienphi_append_only('audit');
SELECT vienphi_grant_insert_except('audit', 'transaction_id');

-- Messages to other systems, written in the transaction of the change.
CREATE TABLE outbox (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX ON outbox (organization_id, transaction_id, id);
SELECT vienphi_isolate_tenant('outbox');
SELECT vienphi_append_only('outbox');
SELECT vienphi_grant_insert_except('outbox', 'transaction_id');

-- An endpoint of an organization's own systems. The owner sets it up, because it receives data about payments; the
-- service may only deactivate and activate it. `secret_names` name the signing secrets in the settings of the service;
-- the second one is the old secret during a rotation. No topics: all topics.
CREATE TABLE webhook_endpoint (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    url text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    secret_names text[] NOT NULL CHECK (cardinality(secret_names) BETWEEN 1 AND 2),
    topics text[] NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
SELECT vienphi_isolate_tenant('webhook_endpoint');
GRANT UPDATE (is_active) ON webhook_endpoint TO vienphi_app;

-- The last message that was enqueued: every message of a transaction below the watermark that follows it is new. The
-- cursor never returns to earlier messages.
CREATE TABLE webhook_cursor (
    organization_id int NOT NULL REFERENCES organization (id),
    transaction_id xid8 NOT NULL,
    message_id uuid NOT NULL,
    PRIMARY KEY (organization_id)
);
CREATE TRIGGER cursor_advances BEFORE UPDATE ON webhook_cursor FOR EACH ROW
    WHEN ((NEW.transaction_id, NEW.message_id) < (OLD.transaction_id, OLD.message_id))
    EXECUTE FUNCTION vienphi_reject_row('a cursor moves on');
SELECT vienphi_isolate_tenant('webhook_cursor');
GRANT INSERT, UPDATE (transaction_id, message_id) ON webhook_cursor TO vienphi_app;

-- One message for one endpoint. due_at is the time of the next attempt, or the end of the lease of the worker that sends
-- it now. The payload is copied, because partitions of the outbox are dropped while undelivered messages stay visible.
CREATE TABLE webhook_delivery (
    organization_id int NOT NULL,
    endpoint_id uuid NOT NULL,
    message_id uuid NOT NULL,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at timestamptz NOT NULL,
    attempted_at timestamptz,
    last_status int,
    last_problem text CHECK (length(last_problem) <= 100),
    PRIMARY KEY (organization_id, endpoint_id, message_id),
    FOREIGN KEY (organization_id, endpoint_id) REFERENCES webhook_endpoint (organization_id, id)
);
CREATE INDEX ON webhook_delivery (organization_id, endpoint_id, due_at) WHERE state = 'waiting';
CREATE INDEX ON webhook_delivery (organization_id, message_id) WHERE state = 'dead';
CREATE INDEX ON webhook_delivery (organization_id, attempted_at) WHERE state = 'delivered';
SELECT vienphi_guard_states('webhook_delivery', ARRAY['waiting'], ARRAY[
    'waiting>delivered', 'waiting>dead', 'delivered>waiting', 'dead>waiting']);
SELECT vienphi_isolate_tenant('webhook_delivery');
SELECT vienphi_grant_insert_except('webhook_delivery', 'attempts', 'attempted_at', 'last_status', 'last_problem');
GRANT UPDATE (state, attempts, due_at, attempted_at, last_status, last_problem), DELETE ON webhook_delivery
    TO vienphi_app;
