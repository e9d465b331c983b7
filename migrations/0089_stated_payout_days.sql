-- compatible-from: 0088
-- The payout day that a report states for a line of an earlier report, which had none. It is staged with the lines of the
-- report and counts once its import is active: the activation sets the days by one statement.
-- Source: docs/reconciliation.md, Import.
CREATE TABLE stated_payout_day (
    organization_id int NOT NULL,
    import_id uuid NOT NULL,
    line_id uuid NOT NULL,
    paid_out_on date NOT NULL,
    PRIMARY KEY (organization_id, import_id, line_id),
    FOREIGN KEY (organization_id, import_id) REFERENCES reconciliation_import (organization_id, id),
    FOREIGN KEY (organization_id, line_id) REFERENCES settlement_line (organization_id, id)
);
CREATE INDEX ON stated_payout_day (organization_id, line_id);
SELECT vienphi_isolate_tenant('stated_payout_day');
GRANT INSERT, DELETE ON stated_payout_day TO vienphi_app;
CREATE TRIGGER active_rows_stay BEFORE DELETE ON stated_payout_day
    FOR EACH ROW EXECUTE FUNCTION vienphi_keep_active_import();
