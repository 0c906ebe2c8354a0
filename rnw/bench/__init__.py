"""Measurements of speed and memory on this machine: one module for each `rnw bench` command."""
