-- The last check of the backups. Source: docs/operations.md, Backup.

-- Installation-wide: the check of the backups states here what it found, so that the worker can measure the age of the
-- backup. One row for each server that barman backs up. NULL: no complete backup, or no restore drill yet.
CREATE TABLE backup_check (
    server text PRIMARY KEY CHECK (server ~ '^[A-Za-z0-9_.-]{1,60}$'),
    checked_at timestamptz NOT NULL,
    problems int NOT NULL CHECK (problems >= 0),
    backup_ended_at timestamptz,
    drilled_at timestamptz
);
ALTER TABLE backup_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE backup_check FORCE ROW LEVEL SECURITY;
CREATE POLICY installation_reads ON backup_check FOR SELECT USING (true);
CREATE POLICY installation_adds ON backup_check FOR INSERT WITH CHECK (true);
CREATE POLICY installation_changes ON backup_check FOR UPDATE USING (true) WITH CHECK (true);
GRANT SELECT ON backup_check TO vienphi_app, vienphi_auditor;
GRANT INSERT, UPDATE (checked_at, problems, backup_ended_at, drilled_at) ON backup_check TO vienphi_app;
