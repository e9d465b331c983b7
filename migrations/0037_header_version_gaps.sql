-- A skipped version of the header of a visit, as of a charge item: `missing_versions` are the versions that have not
-- arrived; `gap_since` is set while there are any. `sender_version` is the newest.

ALTER TABLE visit_account
    ADD COLUMN gap_since timestamptz,
    ADD COLUMN missing_versions bigint[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT gap_names_versions CHECK ((gap_since IS NULL) = (missing_versions = '{}'));
GRANT UPDATE (gap_since, missing_versions) ON visit_account TO vienphi_app;
