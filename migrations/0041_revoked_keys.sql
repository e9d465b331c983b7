-- An administrator revokes keys over HTTP. A revoked key stays revoked (vienphi_guard_once); the service still adds no
-- person and no key, and changes no roles.
GRANT UPDATE (revoked_at) ON api_key TO vienphi_app;
