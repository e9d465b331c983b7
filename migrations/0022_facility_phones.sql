-- The phone of the payment desk of each facility, shown to patients on their page and where a link opens nothing.
-- An empty phone means: the phone of the organization.
ALTER TABLE facility ADD COLUMN phone text NOT NULL DEFAULT '' CHECK (phone ~ '^[0-9+ .()-]{0,30}$');
