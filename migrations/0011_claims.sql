-- Disease annexes that claims are checked against. Source: Circular 01/2025/TT-BYT.
--
-- Each import is complete. The newest import is in force; older ones document the annexes of earlier checks.
CREATE TABLE disease_annexes (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    content text NOT NULL,
    row_count int NOT NULL CHECK (row_count > 0),
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
SELECT vienphi_isolate_tenant('disease_annexes');
SELECT vienphi_append_only('disease_annexes');
