//! Tables of what a host decides.
