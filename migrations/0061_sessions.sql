-- Sign-in accounts of persons and their sessions on the screens. Source: docs/design.md §3.8.

-- A training organization is used to practise: the bank simulator only, a watermark on every page and print.
ALTER TABLE organization ADD COLUMN is_training boolean NOT NULL DEFAULT false;

CREATE FUNCTION vienphi_guard_training_provider() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.provider <> 'sandbox'
        AND (SELECT is_training FROM public.organization WHERE id = NEW.organization_id)
    THEN
        RAISE EXCEPTION 'a training organization has accounts at the bank simulator only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'training_uses_simulator';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER training_uses_simulator AFTER INSERT OR UPDATE ON provider_account
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_training_provider();

-- Passwords and PINs are stored as argon2id hashes only. An attempt is counted before its password is checked, and a
-- right one sets the count back to zero; after too many attempts the account is locked until a time. `facility_codes`
-- NULL: all facilities.
CREATE TABLE sign_in_account (
    organization_id int NOT NULL,
    person_id uuid NOT NULL,
    login_name text NOT NULL CHECK (login_name ~ '^[a-z0-9][a-z0-9._-]{1,39}$'),
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    password_set_at timestamptz NOT NULL,
    must_change_password boolean NOT NULL,
    pin_hash text CHECK (pin_hash LIKE '$argon2id$%'),
    facility_codes text[] CHECK (cardinality(facility_codes) > 0),
    language text NOT NULL DEFAULT 'vi' CHECK (language IN ('vi', 'en')),
    password_attempts int NOT NULL DEFAULT 0 CHECK (password_attempts >= 0),
    password_locked_until timestamptz,
    pin_attempts int NOT NULL DEFAULT 0 CHECK (pin_attempts >= 0),
    pin_locked_until timestamptz,
    disabled_at timestamptz,
    PRIMARY KEY (organization_id, person_id),
    UNIQUE (organization_id, login_name),
    FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('sign_in_account', is_personal => true);
GRANT UPDATE (password_hash, password_set_at, must_change_password, pin_hash, language, password_attempts,
    password_locked_until, pin_attempts, pin_locked_until, disabled_at) ON sign_in_account TO vienphi_app;

-- The browser holds the secret of its session in a cookie; only its hash is stored. `password_at` NULL: opened with a
-- PIN at a desk where the person had signed in with a password on that day. A locked session requires a PIN.
CREATE TABLE screen_session (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    desk_id uuid,
    address text NOT NULL CHECK (length(address) <= 45),
    browser text NOT NULL CHECK (length(browser) <= 200),
    created_at timestamptz NOT NULL,
    password_at timestamptz,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    locked_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, secret_hash),
    FOREIGN KEY (organization_id, person_id) REFERENCES sign_in_account (organization_id, person_id),
    FOREIGN KEY (organization_id, desk_id) REFERENCES desk (organization_id, id),
    CONSTRAINT expires_after_creation CHECK (expires_at > created_at)
);
CREATE INDEX ON screen_session (organization_id, person_id, created_at);
CREATE INDEX ON screen_session (organization_id, desk_id, password_at) WHERE password_at IS NOT NULL;
SELECT vienphi_guard_once('screen_session', 'ended_at');
SELECT vienphi_isolate_tenant('screen_session', is_personal => true);
SELECT vienphi_grant_insert_except('screen_session', 'locked_at', 'ended_at');
GRANT UPDATE (last_seen_at, locked_at, ended_at), DELETE ON screen_session TO vienphi_app;
