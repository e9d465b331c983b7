-- Indexes of the finance screens: what persons decided on a day. Source: docs/reconciliation.md, Exceptions.
CREATE INDEX ON exception_decision (organization_id, recorded_at);
CREATE INDEX ON exception_case (organization_id, changed_at) WHERE changed_at IS NOT NULL;
