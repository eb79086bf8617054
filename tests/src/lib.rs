//! Esclusa's tests: simulation, scripts, tables, adapters, template, end to end, tidy.
