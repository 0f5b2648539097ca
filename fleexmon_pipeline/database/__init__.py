"""PostgreSQL: connections, tables and named statements. The stages use them."""
