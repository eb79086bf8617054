//! A simulated world with seeded faults, and the checker of Esclusa's invariants.
