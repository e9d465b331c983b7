-- Status polls and feeds of provider accounts, with their rate limits. Source: docs/design.md §5, States; §7.

-- Intents whose payment the provider is polled about. due_at is the time of the next poll, or the end of the lease of
-- the worker that polls now; NULL: no further poll.
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
SELECT vienphi_grant_insert_except('status_poll', 'attempts', 'polled_at', 'last_outcome');
GRANT UPDATE (started_at, due_at, attempts, polled_at, last_outcome) ON status_poll TO vienphi_app;

-- The number of polls of a provider account in one minute, of all workers together.
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

-- The cursor of the feed of a provider account, and the lease of the worker that reads it now. `minute` and `used` are
-- the number of reads in one minute, of all workers together.
CREATE TABLE feed_cursor (
    organization_id int NOT NULL,
    provider_account_id uuid NOT NULL,
    cursor text NOT NULL DEFAULT '' CHECK (length(cursor) <= 2000),
    leased_until timestamptz,
    read_at timestamptz,
    failures int NOT NULL DEFAULT 0 CHECK (failures >= 0),
    minute timestamptz NOT NULL,
    used int NOT NULL DEFAULT 0 CHECK (used >= 0),
    PRIMARY KEY (organization_id, provider_account_id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('feed_cursor');
GRANT INSERT, UPDATE (cursor, leased_until, read_at, failures, minute, used) ON feed_cursor TO vienphi_app;
