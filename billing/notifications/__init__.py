"""Notifications to others: the outbox, webhooks to endpoints of an organization, change notifications in a process."""
