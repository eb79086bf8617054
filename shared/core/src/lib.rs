//! Every decision that Esclusa makes, as pure functions of state, observation and time.
