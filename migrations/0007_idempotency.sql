-- Idempotency keys of creating requests. Source: docs/decisions/0006-idempotency-keys.md.
--
-- The row is written in the transaction that creates. A repeated request finds it and gets the first result again.
-- `caller` is the name of a key, which stays the same during its rotation; `subjects` are the ids that were created or
-- found, in the order of the response.
CREATE TABLE idempotency_key (
    organization_id int NOT NULL REFERENCES organization (id),
    caller text NOT NULL CHECK (length(caller) BETWEEN 1 AND 100),
    route text NOT NULL CHECK (length(route) BETWEEN 1 AND 100),
    key text NOT NULL CHECK (key ~ '^[!-~]{1,255}$'),
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    is_new boolean NOT NULL,
    subjects uuid[] NOT NULL CHECK (cardinality(subjects) > 0),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, caller, route, key)
);
CREATE INDEX ON idempotency_key (organization_id, recorded_at);

-- A key is never changed. It is deleted after its retention, which the service decides (ops/retention.py).
CREATE FUNCTION vienphi_reject_update() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is never changed: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER never_changed BEFORE UPDATE OR TRUNCATE ON idempotency_key
    FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_update();
SELECT vienphi_isolate_tenant('idempotency_key');
GRANT INSERT, DELETE ON idempotency_key TO vienphi_app;
