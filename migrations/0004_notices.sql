-- What providers tell and what it led to: keys that never expire, deliveries, exceptions, outbox, audit.

-- The telling of a fact, status included. Claimed once and for ever.
CREATE TABLE event_key (
    organization_id int NOT NULL,
    provider_account_id uuid NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 300),
    fingerprint bytea NOT NULL,
    delivery_id uuid NOT NULL,
    PRIMARY KEY (organization_id, provider_account_id, key),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('event_key');
SELECT vienphi_append_only('event_key');
GRANT INSERT ON event_key TO vienphi_app;

-- The money itself, by every name it is known under: (account, movement, provider's or bank's reference).
-- account_id is a provider account for a transaction and a bank account for a bank reference.
CREATE TABLE movement_key (
    organization_id int NOT NULL REFERENCES organization (id),
    account_id uuid NOT NULL,
    movement text NOT NULL CHECK (movement IN ('received', 'refunded', 'reversed')),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 300),
    movement_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (organization_id, account_id, movement, key)
);
SELECT vienphi_isolate_tenant('movement_key');
GRANT INSERT, UPDATE (movement_id, amount) ON movement_key TO vienphi_app;

-- Partitioned by id, which carries its moment; no foreign key points into a partition that may leave.
CREATE TABLE delivery (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    verdict text NOT NULL,
    receipt_id uuid NOT NULL,
    notices int NOT NULL,
    PRIMARY KEY (organization_id, id)
) PARTITION BY RANGE (id);
SELECT vienphi_isolate_tenant('delivery');
SELECT vienphi_append_only('delivery');
GRANT INSERT ON delivery TO vienphi_app;

-- Personal: the raw message, kept apart and for a shorter time.
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
GRANT INSERT ON delivery_body TO vienphi_app;

-- A disagreement a person must decide.
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
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id),
    FOREIGN KEY (organization_id, owner_id) REFERENCES person (organization_id, id)
);
CREATE INDEX ON exception_case (organization_id, opened_at) WHERE state = 'open';
SELECT vienphi_isolate_tenant('exception_case');
GRANT INSERT, UPDATE (state, owner_id, due_at) ON exception_case TO vienphi_app;

-- What the world outside is to be told; written with the state it tells of.
CREATE TABLE outbox (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (organization_id, id)
) PARTITION BY RANGE (id);
SELECT vienphi_isolate_tenant('outbox');
SELECT vienphi_append_only('outbox');
GRANT INSERT (organization_id, id, topic, payload) ON outbox TO vienphi_app;

-- Who did what to which thing; ids only.
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
    PRIMARY KEY (organization_id, id)
) PARTITION BY RANGE (id);
SELECT vienphi_isolate_tenant('audit');
SELECT vienphi_append_only('audit');
GRANT INSERT ON audit TO vienphi_app;

-- Makes the monthly partitions from the month of first_day to three months after today's, with the triggers that a
-- partition does not inherit. There is no default partition: a row that fits none is refused and retried, not lost.
-- SECURITY DEFINER: the running service may call it without owning a table.
CREATE FUNCTION vienphi_make_partitions(first_day date DEFAULT current_date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    parent text;
    starts date;
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('vienphi_make_partitions'));
    first_day := greatest(first_day, current_date - 400);
    FOR starts IN SELECT generate_series(date_trunc('month', first_day::timestamp),
            date_trunc('month', current_date::timestamp) + interval '3 months', interval '1 month')::date LOOP
        FOREACH parent IN ARRAY ARRAY['delivery', 'delivery_body', 'outbox', 'audit'] LOOP
            partition := parent || '_' || to_char(starts, 'YYYYMM');
            CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', partition, parent);
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
            EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', partition);
            IF parent <> 'delivery_body' THEN
                PERFORM public.vienphi_append_only(('public.' || partition)::regclass);
            END IF;
            -- Attached, not created as a partition: that would wait for every reader of the parent, and every writer
            -- would wait behind it.
            EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent,
                partition, public.vienphi_first_id(starts),
                public.vienphi_first_id((starts + interval '1 month')::date));
        END LOOP;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_make_partitions(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_make_partitions(date) TO vienphi_app;
SELECT vienphi_make_partitions();

-- Every organization's id: what the background loops go through, one transaction each. The owner alone sees them all.
DO $$ BEGIN
    EXECUTE format('CREATE POLICY installation ON organization FOR SELECT TO %I USING (true)', current_user);
END $$;
CREATE FUNCTION vienphi_organizations() RETURNS SETOF int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT id FROM public.organization ORDER BY id;
END;
REVOKE EXECUTE ON FUNCTION vienphi_organizations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_organizations() TO vienphi_app;
