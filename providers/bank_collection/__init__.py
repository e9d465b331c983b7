"""Bank collection (thu hộ): the bank asks what is to be paid, takes it, and tells us; each bank by its profile."""
