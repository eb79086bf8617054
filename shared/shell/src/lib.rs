//! The order in which Esclusa's effects happen, generic over ports in our own words.
