"""TABLE of datasets: one file for each, and the catalog that lists them."""
