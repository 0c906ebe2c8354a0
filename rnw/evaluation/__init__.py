"""How numbers are judged: protocols and metrics (section 6 of the paper)."""
