//! The adapters between Esclusa's ports and AWS.
