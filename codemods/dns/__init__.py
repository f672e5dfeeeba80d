"""DNS servers: reading and setting the record of the registry's name."""
