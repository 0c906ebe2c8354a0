"""What an example is: data sets, readers, transforms and batches."""
