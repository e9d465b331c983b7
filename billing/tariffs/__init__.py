"""Price lists of a facility: read from spreadsheets, approved by two persons, in force by date."""
