"""What an example is: datasets, readers, transforms and batches."""
