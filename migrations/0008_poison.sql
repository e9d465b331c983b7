-- Deliveries that could not be written by themselves: verified, kept, acknowledged, shown, and claiming no key of any
-- kind, so that nothing is shadowed. Replayed once what was wrong is mended; until then their day is not complete.

CREATE TABLE poison_delivery (
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
    replayed_at timestamptz,
    replayed_as uuid,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    CONSTRAINT replayed_as_a_delivery CHECK ((replayed_at IS NULL) = (replayed_as IS NULL))
);
CREATE INDEX ON poison_delivery (organization_id, received_at) WHERE replayed_at IS NULL;
SELECT vienphi_isolate_tenant('poison_delivery', is_personal => true);
GRANT INSERT, UPDATE (replayed_at, replayed_as) ON poison_delivery TO vienphi_app;
