"""How surprising values of single series are."""
