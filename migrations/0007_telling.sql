-- What others are told and what we ask: endpoints of organizations and what they are sent; the schedule of questions.

-- Where an organization's own systems are told. Set up by the owner, since a host is where facts about money go; the
-- service may only stop or resume telling it. `secret_names` say where the running service finds what signs: the
-- second is the old secret while the receiver changes over.
CREATE TABLE webhook_endpoint (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    url text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    secret_names text[] NOT NULL CHECK (cardinality(secret_names) BETWEEN 1 AND 2),
    topics text[] NOT NULL DEFAULT '{}',  -- empty: all
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
SELECT vienphi_isolate_tenant('webhook_endpoint');
GRANT UPDATE (is_active) ON webhook_endpoint TO vienphi_app;

-- How far the outbox was read: every message of a transaction below the horizon that comes after this place is new.
CREATE TABLE webhook_cursor (
    organization_id int NOT NULL REFERENCES organization (id),
    transaction_id xid8 NOT NULL,
    message_id uuid NOT NULL,
    PRIMARY KEY (organization_id)
);
SELECT vienphi_isolate_tenant('webhook_cursor');
GRANT INSERT, UPDATE (transaction_id, message_id) ON webhook_cursor TO vienphi_app;
CREATE INDEX ON outbox (organization_id, transaction_id, id);

-- One message for one endpoint. due_at is the next attempt, or how long the worker that sends it now has for it. The
-- payload stands here too: outbox partitions leave, what could not be told stays visible.
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
SELECT vienphi_isolate_tenant('webhook_delivery');
GRANT INSERT, UPDATE (state, attempts, due_at, attempted_at, last_status, last_problem), DELETE ON webhook_delivery
    TO vienphi_app;

-- Intents that a provider is asked about. due_at is the next question, or how long the worker that asks now has for
-- it; NULL when nothing more is asked.
CREATE TABLE status_poll (
    organization_id int NOT NULL,
    intent_id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    due_at timestamptz,
    attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    polled_at timestamptz,
    last_outcome text,
    PRIMARY KEY (organization_id, intent_id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
CREATE INDEX ON status_poll (organization_id, provider_account_id, due_at) WHERE due_at IS NOT NULL;
SELECT vienphi_isolate_tenant('status_poll');
GRANT INSERT, UPDATE (due_at, attempts, polled_at, last_outcome) ON status_poll TO vienphi_app;

-- How often each provider account was asked in one minute, by all workers together.
CREATE TABLE poll_rate_limit (
    organization_id int NOT NULL,
    provider_account_id uuid NOT NULL,
    minute timestamptz NOT NULL,
    used int NOT NULL CHECK (used >= 0),
    PRIMARY KEY (organization_id, provider_account_id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('poll_rate_limit');
GRANT INSERT, UPDATE (minute, used) ON poll_rate_limit TO vienphi_app;

-- The intents that time can still change.
CREATE INDEX ON intent (organization_id, expires_at) WHERE state IN ('created', 'pending', 'unknown');
