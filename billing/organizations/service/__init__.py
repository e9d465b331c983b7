"""Use cases of organizations and the steps they share. A use case opens the transaction; a step receives one."""
