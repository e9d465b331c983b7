"""Organizations, their facilities, provider accounts, persons and API keys; approvals by a second person."""
