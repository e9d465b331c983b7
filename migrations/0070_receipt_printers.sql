-- The printer of a desk: its paper, and for a roll of 80 mm the least height of a page, which a browser needs.
-- A desk without a row prints on 80 mm, 120 mm at least. Source: docs/ux.md, Printers.
CREATE TABLE receipt_printer (
    organization_id int NOT NULL,
    desk_id uuid NOT NULL,
    paper text NOT NULL CHECK (paper IN ('80mm', 'a5', 'a4')),
    height_mm int NOT NULL CHECK (height_mm IN (120, 150, 200, 250, 300, 400)),
    PRIMARY KEY (organization_id, desk_id),
    FOREIGN KEY (organization_id, desk_id) REFERENCES desk (organization_id, id)
);
SELECT vienphi_isolate_tenant('receipt_printer');
GRANT INSERT, UPDATE (paper, height_mm) ON receipt_printer TO vienphi_app;
