"""Bank collection (thu hộ): the bank queries the amount due, collects it and notifies us; each bank has a profile."""
