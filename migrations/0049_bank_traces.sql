-- Bank traces (tra soát): an inquiry to a bank or provider about money. Source: docs/reconciliation.md, Bank traces.

-- A trace belongs to one exception, of which at most one trace is open. `version` counts its changes.
CREATE TABLE bank_trace (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    exception_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'evidence_requested', 'won', 'lost')),
    version int NOT NULL DEFAULT 1,
    amount bigint NOT NULL CHECK (amount >= 0),
    owner_id uuid NOT NULL,
    due_on date NOT NULL,
    opened_by uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    ended_by uuid,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, exception_id) REFERENCES exception_case (organization_id, id),
    FOREIGN KEY (organization_id, owner_id) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, opened_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, ended_by) REFERENCES person (organization_id, id),
    CONSTRAINT end_is_complete CHECK (
        (state IN ('won', 'lost')) = (ended_at IS NOT NULL) AND (ended_at IS NULL) = (ended_by IS NULL))
);
CREATE UNIQUE INDEX bank_trace_one_open ON bank_trace (organization_id, exception_id)
    WHERE state IN ('open', 'evidence_requested');
CREATE INDEX ON bank_trace (organization_id, exception_id);
SELECT vienphi_guard_states('bank_trace', ARRAY['open'], ARRAY[
    'open>evidence_requested', 'open>won', 'open>lost', 'evidence_requested>won', 'evidence_requested>lost']);
SELECT vienphi_guard_once('bank_trace', 'ended_by', 'ended_at');
SELECT vienphi_isolate_tenant('bank_trace');
SELECT vienphi_grant_insert_except('bank_trace', 'ended_by', 'ended_at');
GRANT UPDATE (state, version, owner_id, due_on, ended_by, ended_at) ON bank_trace TO vienphi_app;

-- What was written to or received from the bank: a note, with the number or name of a document where there is one. `step`
-- is the state that the trace got with it, if any. It may name a patient: the text is personal and erased after its retention.
CREATE TABLE bank_trace_note (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    trace_id uuid NOT NULL,
    step text,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 2000),
    document text NOT NULL DEFAULT '' CHECK (length(document) <= 255),
    written_by uuid NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, trace_id) REFERENCES bank_trace (organization_id, id),
    FOREIGN KEY (organization_id, written_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON bank_trace_note (organization_id, trace_id);
SELECT vienphi_isolate_tenant('bank_trace_note', is_personal => true);
GRANT INSERT, DELETE ON bank_trace_note TO vienphi_app;
