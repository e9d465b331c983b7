"""Organizations, their facilities, provider accounts, persons and API keys; account changes with two persons."""
