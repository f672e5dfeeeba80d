"""What a run has to say, in every format of the contract."""
