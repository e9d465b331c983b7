"""Organizations, their facilities, provider accounts, persons and API keys, and changes that two persons approve."""
