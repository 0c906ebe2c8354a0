"""What the paper learns about networks: cost, speed and memory."""
