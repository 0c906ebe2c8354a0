"""What is shown: published numbers, the paper's tables, figures, curves and web pages."""
