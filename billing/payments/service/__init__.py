"""Use cases of payments and the steps they share. A use case opens the transaction; a step receives one."""
