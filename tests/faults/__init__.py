"""Attacks on the workbench: `make faults`. One module a family; docs/faults.md says what is attacked."""
