//! The local environment: AWS on one machine, for demos, end-to-end tests and a team's first try.
