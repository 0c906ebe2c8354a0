"""What speed, memory and fidelity are on this machine: one file for each `rnw bench` command."""
