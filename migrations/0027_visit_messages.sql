-- Messages about open visits: versions that are missing, the content of a version, and numbers of lines by table.
-- Source: docs/visit-accounts.md, Versions and messages.

-- The patient who is the guardian of this person (a mother of her newborn); a guardian may have several wards.
ALTER TABLE patient RENAME COLUMN guardian_of TO guardian_id;

-- `missing_versions` are the skipped versions that have not arrived; `gap_since` is set while there are any.
-- `content_hash` is the hash of the newest submission, empty where no sender submitted one.
ALTER TABLE charge_item
    ADD COLUMN missing_versions bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN content_hash bytea NOT NULL DEFAULT '\x';
GRANT UPDATE (stt, missing_versions, content_hash) ON charge_item TO vienphi_app;

-- STT is unique within its table (XML2, XML3), not within the visit.
ALTER TABLE charge_item DROP CONSTRAINT charge_item_organization_id_visit_id_stt_key;
CREATE UNIQUE INDEX charge_item_stt ON charge_item (organization_id, visit_id, (document ->> 'table'), stt);

-- The facility as the sender named it; it may be unknown.
-- `source` names a row of a dropped file, so that a file that is read again is not processed twice.
ALTER TABLE integration_message
    ADD COLUMN facility_code text NOT NULL DEFAULT '',
    ADD COLUMN source text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX integration_message_source ON integration_message (organization_id, source) WHERE source <> '';

-- The account of an appointment becomes the account of its visit, with its deposit: it receives the MA_LK of the visit.
GRANT UPDATE (ma_lk) ON visit TO vienphi_app;
GRANT UPDATE (ma_lk) ON visit_account TO vienphi_app;
