"""Several evaluated runs -> one table and plots."""
