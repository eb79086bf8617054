//! An error answer of AWS's, independent of the protocol that carries it.

use std::fmt::Display;

/// What an operation answers when it refuses or fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// The HTTP status code.
    pub(crate) status: u16,
    /// The exception's name, which is what callers match on.
    pub(crate) code: String,
    /// The text for people.
    pub(crate) message: String,
}

/// What an operation answers.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// The caller asked for something that cannot be given.
    pub(crate) fn client(code: &str, message: impl Display) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.to_string() }
    }

    /// A value is outside its documented bounds.
    pub(crate) fn validation(message: impl Display) -> Self {
        Self::client("ValidationException", message)
    }

    /// The local environment itself failed: a process or a file behind the operation.
    pub(crate) fn internal(message: impl Display) -> Self {
        Self { status: 500, code: "InternalFailure".to_owned(), message: message.to_string() }
    }

    /// The service exists, the operation does not (here).
    pub(crate) fn unknown_operation(operation: &str) -> Self {
        let message = format!("`{operation}` is not an operation that the local environment has");
        Self::client("UnknownOperationException", message)
    }
}
