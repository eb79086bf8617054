//! The edge to AWS: who we are, and what Secrets Manager answers.

mod account;
mod fetch;
mod metadata;
mod refusal;
mod retry;

pub(crate) use account::Account;
pub(crate) use fetch::fetch_versions;
