-- The lines of each statement, statements that continue another of the same day, files of an unfinished day, and codes that were
-- read by removing spaces. Source: docs/reconciliation.md, Tables.

-- `is_intraday`: the file states an unfinished day; its lines are tentative, and its statements are no part of the chain.
ALTER TABLE reconciliation_import ADD COLUMN is_intraday boolean NOT NULL DEFAULT false;
GRANT INSERT (is_intraday) ON reconciliation_import TO vienphi_app;

-- `continues` is the statement that ends on the first day of this one with its opening balance: equal lines of that day are
-- counted on from it. NULL: they are counted from 1.
ALTER TABLE bank_statement ADD COLUMN continues uuid;
ALTER TABLE bank_statement ADD FOREIGN KEY (organization_id, continues) REFERENCES bank_statement (organization_id, id);
CREATE INDEX ON bank_statement (organization_id, bank_account_id, to_day);
CREATE INDEX ON bank_statement (organization_id, continues) WHERE continues IS NOT NULL;

-- `position` is that of the statement in its file. `is_rejoined`: the codes were readable only after spaces and signs were
-- removed, so the amount must equal the amount due (docs/design.md §8).
ALTER TABLE statement_line ADD COLUMN position int NOT NULL DEFAULT 1 CHECK (position > 0);
ALTER TABLE statement_line ADD COLUMN is_rejoined boolean NOT NULL DEFAULT false;
CREATE OR REPLACE VIEW active_statement_line WITH (security_invoker = true) AS
SELECT line.* FROM statement_line AS line
WHERE EXISTS (SELECT FROM reconciliation_import AS import
    WHERE import.organization_id = line.organization_id AND import.id = line.import_id AND import.state = 'active');

-- A line of a statement that an earlier file stated too; its row is the one of the earlier file.
CREATE TABLE repeated_line (
    organization_id int NOT NULL,
    import_id uuid NOT NULL,
    position int NOT NULL CHECK (position > 0),
    line_id uuid NOT NULL,
    PRIMARY KEY (organization_id, import_id, position, line_id),
    FOREIGN KEY (organization_id, import_id) REFERENCES reconciliation_import (organization_id, id),
    FOREIGN KEY (organization_id, line_id) REFERENCES statement_line (organization_id, id)
);
CREATE INDEX ON repeated_line (organization_id, line_id);
SELECT vienphi_isolate_tenant('repeated_line');
GRANT INSERT, DELETE ON repeated_line TO vienphi_app;
CREATE TRIGGER active_rows_stay BEFORE DELETE ON repeated_line
    FOR EACH ROW EXECUTE FUNCTION vienphi_keep_active_import();

-- A file of an unfinished day may be imported again as complete: its lines are then confirmed.
DROP INDEX reconciliation_import_statement_once;
CREATE UNIQUE INDEX reconciliation_import_statement_once
    ON reconciliation_import (organization_id, file_hash, is_intraday) WHERE state = 'active' AND kind = 'statement';
