"""The paper's networks (sections 3 to 5): what a network is, and its Gluon blocks."""
