"""Universal Scene Description (OpenUSD), by the library usd-core."""
