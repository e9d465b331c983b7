"""Steps shared by use cases: they take a transaction and never open one."""
