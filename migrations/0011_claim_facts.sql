-- What claims are checked with: how a facility is ranked, its own lists, and the disease annexes as imported.

-- NULL: not told. Lists as `visit_facts_json` reads them (stents, contained prices, holidays, the four hours).
ALTER TABLE facility_terms
    ADD COLUMN is_provisionally_ranked boolean,
    ADD COLUMN claim_lists jsonb NOT NULL DEFAULT '{}';

-- Annexes of Circular 01/2025/TT-BYT, each import whole; the newest counts, the earlier ones say what counted before.
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
