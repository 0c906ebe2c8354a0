"""How numbers are learnt: the paper's recipes (sections 4 and 5) and the KVStore trainer."""
