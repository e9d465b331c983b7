-- The patient's page: the random token that opens it, and the phone it names. A token opens a name and an amount, so it
-- is as personal as they are: the auditor may not read it. Intents made before this file have no page.

CREATE TABLE pay_page (
    organization_id int NOT NULL,
    intent_id uuid NOT NULL,
    token bytea NOT NULL CHECK (octet_length(token) = 16),
    PRIMARY KEY (organization_id, intent_id),
    UNIQUE (organization_id, token),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id)
);
SELECT vienphi_isolate_tenant('pay_page', is_personal => true);
GRANT INSERT ON pay_page TO vienphi_app;

ALTER TABLE organization ADD COLUMN help_phone text NOT NULL DEFAULT '' CHECK (help_phone ~ '^[0-9+ .()-]{0,30}$');
