-- Asking once: what a creating request led to, kept with what it created. And keys with a name, roles and a rotation.

-- Written in the transaction that creates; a replay finds it and answers with what was created then. `caller` is the
-- name of a key, which outlives its rotation; `subjects` are what was created or found, in the order of the answer.
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
SELECT vienphi_isolate_tenant('idempotency_key');
SELECT vienphi_append_only('idempotency_key');
GRANT INSERT ON idempotency_key TO vienphi_app;

-- A key has the name of the program it was given to. Two keys of a name live side by side while one replaces the other,
-- one in each slot; `roles` is what the key may do, never more than its person may.
ALTER TABLE api_key
    ADD COLUMN name text,
    ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
    ADD COLUMN slot smallint NOT NULL DEFAULT 1 CHECK (slot IN (1, 2)),
    ADD CONSTRAINT roles_are_known CHECK (roles <@ ARRAY['cashier', 'finance', 'integrator', 'administrator']);
-- Row security is forced on the owner too, so keys given out before are reached organization by organization.
DO $$
DECLARE
    organization int;
BEGIN
    FOR organization IN SELECT vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        UPDATE api_key SET name = 'key-' || substr(replace(id::text, '-', ''), 13), roles = ARRAY['cashier'];
    END LOOP;
    PERFORM set_config('vienphi.organization', '', true);
END $$;
ALTER TABLE api_key
    ALTER COLUMN name SET NOT NULL,
    ALTER COLUMN roles DROP DEFAULT,
    ALTER COLUMN slot DROP DEFAULT,
    ADD CONSTRAINT name_format CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$');
CREATE UNIQUE INDEX api_key_two_active ON api_key (organization_id, name, slot) WHERE revoked_at IS NULL;

-- What lists are asked for by; everything else is found by id, which is also the order of lists.
CREATE INDEX ON visit (organization_id, ma_lk);
