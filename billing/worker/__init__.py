"""What happens by itself as time goes on: loops that call one use case each, and the sending of webhooks."""
