-- Deliveries of notices: the keys that prevent double posting, the stored messages, and dead letters.
-- Source: docs/design.md §5, Duplicates and point 7.

-- The unique name of a message, including its status. Reserved once, never changed.
CREATE TABLE event_key (
    organization_id int NOT NULL,
    provider_account_id uuid NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 300),
    fingerprint bytea NOT NULL,
    delivery_id uuid NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, provider_account_id, key),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
CREATE INDEX ON event_key (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('event_key');
SELECT vienphi_append_only('event_key');
SELECT vienphi_grant_insert_except('event_key', 'transaction_id');

-- A strong name of a movement of money: (provider account, movement, transaction id of the provider). A key is attached
-- to an earlier movement by the transaction that reserves it, and by no later one.
CREATE TABLE movement_key (
    organization_id int NOT NULL REFERENCES organization (id),
    account_id uuid NOT NULL,
    movement text NOT NULL CHECK (movement IN ('received', 'refunded', 'reversed')),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 300),
    movement_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, account_id, movement, key)
);
CREATE INDEX ON movement_key (organization_id, transaction_id);
CREATE TRIGGER key_is_reserved_once BEFORE UPDATE ON movement_key FOR EACH ROW
    WHEN (OLD.transaction_id IS DISTINCT FROM vienphi_transaction_id())
    EXECUTE FUNCTION vienphi_reject_row('a key that an earlier transaction reserved stays as it is');
SELECT vienphi_isolate_tenant('movement_key');
SELECT vienphi_grant_insert_except('movement_key', 'transaction_id');
GRANT UPDATE (movement_id, amount) ON movement_key TO vienphi_app;

-- A weak name of a movement. Banks restart, repeat and abbreviate their references, so one reference may belong to
-- several payments: each row is one event that carried it. account_id is the bank account, or the provider account if
-- the bank account is unknown. `name` is the strong name of the event inside provider_account_id, or empty.
CREATE TABLE bank_reference (
    organization_id int NOT NULL,
    account_id uuid NOT NULL,
    movement text NOT NULL CHECK (movement IN ('received', 'refunded', 'reversed')),
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 300),
    number int NOT NULL CHECK (number > 0),
    payment_id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    source text NOT NULL CHECK (source IN ('', 'callback', 'query', 'feed')),
    name text NOT NULL CHECK (length(name) <= 300),
    amount bigint NOT NULL CHECK (amount > 0),
    booked_on date NOT NULL,
    codes text[] NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, account_id, movement, reference, number),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
CREATE INDEX ON bank_reference (organization_id, transaction_id);

-- A reference is attached to an earlier payment by the transaction that reserves it, and by no later one.
CREATE FUNCTION vienphi_guard_bank_reference() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.transaction_id <> vienphi_transaction_id() THEN
        RAISE EXCEPTION 'a bank reference that an earlier transaction reserved stays as it is'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reference_is_reserved_once BEFORE UPDATE ON bank_reference FOR EACH ROW
    EXECUTE FUNCTION vienphi_guard_bank_reference();
SELECT vienphi_isolate_tenant('bank_reference');
SELECT vienphi_grant_insert_except('bank_reference', 'transaction_id');
GRANT UPDATE (payment_id) ON bank_reference TO vienphi_app;

-- One stored arrival. Partitioned by id, which contains the time (0022). No foreign key names a partitioned table whose
-- partitions are dropped.
CREATE TABLE delivery (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    verdict text NOT NULL,
    receipt_id uuid NOT NULL,
    notices int NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX ON delivery (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('delivery');
SELECT vienphi_append_only('delivery');
SELECT vienphi_grant_insert_except('delivery', 'transaction_id');

-- Personal: the raw message of a delivery, with a shorter retention.
CREATE TABLE delivery_body (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    method text NOT NULL,
    path_suffix text NOT NULL,
    query text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    source_address text NOT NULL,
    PRIMARY KEY (organization_id, id)
) PARTITION BY RANGE (id);
SELECT vienphi_isolate_tenant('delivery_body', is_personal => true);
GRANT INSERT, DELETE ON delivery_body TO vienphi_app;

-- Personal: a delivery that could not be written because of its data. It was acknowledged and reserves no key, and it
-- keeps its verified notices and when and how they were verified, so that a retry needs no credential. It ends by a
-- retry that books it, or by a closing with a reason that two persons decide. Until then its day stays open.
-- `notices` is canonical JSON (providers/notice_json.py) as bytes, because jsonb rejects some texts of notices.
CREATE TABLE dead_letter (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    fault text NOT NULL,
    method text NOT NULL,
    path_suffix text NOT NULL,
    query text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    source_address text NOT NULL,
    notices bytea NOT NULL,
    verified_at timestamptz NOT NULL,
    verified_by text NOT NULL,
    retried_at timestamptz,
    retried_as uuid,
    closed_at timestamptz,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    CONSTRAINT retried_as_a_delivery CHECK ((retried_at IS NULL) = (retried_as IS NULL)),
    CONSTRAINT ended_once CHECK (retried_at IS NULL OR closed_at IS NULL)
);
CREATE INDEX dead_letter_waiting ON dead_letter (organization_id, received_at)
    WHERE retried_at IS NULL AND closed_at IS NULL;
CREATE INDEX ON dead_letter (organization_id, transaction_id);

-- A new dead letter has not ended. It ends once, and is closed only with an approved proposal of
-- 0005. Its message and notices are evidence until it ends; then its personal data may be erased.
CREATE FUNCTION vienphi_guard_dead_letter() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF num_nonnulls(NEW.retried_at, NEW.closed_at) > 0 THEN
            RAISE EXCEPTION 'a new dead letter waits' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF num_nonnulls(OLD.retried_at, OLD.closed_at) > 0
        AND (NEW.retried_at, NEW.retried_as, NEW.closed_at)
            IS DISTINCT FROM (OLD.retried_at, OLD.retried_as, OLD.closed_at)
    THEN
        RAISE EXCEPTION 'a dead letter ends once' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.notices IS DISTINCT FROM OLD.notices
        AND (num_nonnulls(OLD.retried_at, OLD.closed_at) = 0 OR NEW.notices <> '')
    THEN
        RAISE EXCEPTION 'the notices of a dead letter are kept until it ends' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM public.approval
        WHERE organization_id = NEW.organization_id AND kind = 'dead_letter_closing' AND subject_id = NEW.id
            AND state = 'approved'
    ) THEN
        RAISE EXCEPTION 'a dead letter is closed by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarded BEFORE INSERT OR UPDATE ON dead_letter
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_dead_letter();
CREATE TRIGGER message_is_unchanged BEFORE UPDATE ON dead_letter FOR EACH ROW
    WHEN (num_nonnulls(OLD.retried_at, OLD.closed_at) = 0
        AND (NEW.path_suffix, NEW.query, NEW.headers, NEW.body, NEW.source_address)
            IS DISTINCT FROM (OLD.path_suffix, OLD.query, OLD.headers, OLD.body, OLD.source_address))
    EXECUTE FUNCTION vienphi_reject_row('the message of a dead letter is kept until it ends');
SELECT vienphi_isolate_tenant('dead_letter', is_personal => true);
SELECT vienphi_grant_insert_except('dead_letter', 'transaction_id');
GRANT UPDATE (retried_at, retried_as, notices, closed_at, path_suffix, query, headers, body, source_address)
    ON dead_letter TO vienphi_app;
