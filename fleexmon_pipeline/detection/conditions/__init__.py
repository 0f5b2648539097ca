"""When a rule holds, one module per family of kinds."""
