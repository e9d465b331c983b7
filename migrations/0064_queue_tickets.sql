-- Numbers of the queue in front of the desks of a facility. A ticket is no evidence of money and names nobody on a
-- display. Source: docs/ux.md, Patient page (queue display); docs/visit-accounts.md, The queue.

-- The last number of each line of a facility and day: locked while a number is given.
CREATE TABLE queue_counter (
    organization_id int NOT NULL,
    facility_id uuid NOT NULL,
    day date NOT NULL,
    line text NOT NULL CHECK (line IN ('A', 'B')),
    last int NOT NULL CHECK (last > 0),
    PRIMARY KEY (organization_id, facility_id, day, line),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id)
);
SELECT vienphi_isolate_tenant('queue_counter');
GRANT INSERT, UPDATE (last) ON queue_counter TO vienphi_app;

-- Line A has priority, line B has not. `calls` counts how often the number was called to `desk_id`.
CREATE TABLE queue_ticket (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    day date NOT NULL,
    line text NOT NULL CHECK (line IN ('A', 'B')),
    number int NOT NULL CHECK (number > 0),
    visit_id uuid,
    state text NOT NULL CHECK (state IN ('waiting', 'called', 'served', 'absent')),
    taken_at timestamptz NOT NULL,
    desk_id uuid,
    calls int NOT NULL DEFAULT 0 CHECK (calls >= 0),
    called_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, facility_id, day, line, number),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, desk_id) REFERENCES desk (organization_id, id),
    CONSTRAINT called_has_desk CHECK (
        (state = 'waiting') = (desk_id IS NULL) AND (desk_id IS NULL) = (called_at IS NULL) AND (calls > 0) = (desk_id IS NOT NULL)),
    CONSTRAINT ended_has_time CHECK ((state IN ('served', 'absent')) = (ended_at IS NOT NULL))
);
CREATE INDEX queue_ticket_waiting ON queue_ticket (organization_id, facility_id, day, line, number)
    WHERE state = 'waiting';
CREATE UNIQUE INDEX queue_ticket_at_desk ON queue_ticket (organization_id, desk_id) WHERE state = 'called';
CREATE INDEX ON queue_ticket (organization_id, visit_id);
SELECT vienphi_guard_states('queue_ticket', ARRAY['waiting'],
    ARRAY['waiting>called', 'called>served', 'called>absent']);
SELECT vienphi_guard_once('queue_ticket', 'desk_id', 'ended_at');
SELECT vienphi_isolate_tenant('queue_ticket');
SELECT vienphi_grant_insert_except('queue_ticket', 'desk_id', 'calls', 'called_at', 'ended_at');
GRANT UPDATE (state, desk_id, calls, called_at, ended_at) ON queue_ticket TO vienphi_app;
