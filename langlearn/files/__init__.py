"""Files as they come: downloads, hashes, tables, proofs that they are whole."""
