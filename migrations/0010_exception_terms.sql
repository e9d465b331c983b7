-- How soon a disagreement must be decided and who owns it, by reason, where an organization differs from the defaults of
-- the program (domain/exception.py). Set by the owner's role; the service reads it.
CREATE TABLE exception_terms (
    organization_id int NOT NULL REFERENCES organization (id),
    reason text NOT NULL CHECK (reason ~ '^[a-z][a-z_]{0,59}$'),
    due_hours int NOT NULL CHECK (due_hours BETWEEN 1 AND 720),
    owner_id uuid,
    PRIMARY KEY (organization_id, reason),
    FOREIGN KEY (organization_id, owner_id) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('exception_terms');
