//! Calls, repeated up to the deadline while a repetition may help.

use std::error::Error;
use std::time::Duration;

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::time::{Instant, sleep_until, timeout_at};

/// One call. Secrets Manager answers in tens of milliseconds; what takes seconds is lost.
pub(super) const ATTEMPT: Duration = Duration::from_secs(5);

/// The longest pause between two calls.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The first pause, doubled with each call.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Why a call did not do what it was to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The same call may succeed later.
    Passing(String),
    /// Secrets Manager said no, with a code and a message.
    Refused { code: String, message: String },
    /// No call gets through until something is changed.
    Broken(String),
}

/// Codes with which AWS asks for the same call later.
const PASSING: [&str; 8] = [
    "InternalFailure",
    "InternalServiceError",
    "RequestLimitExceeded",
    "RequestThrottledException",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Whether a code asks for the same call later.
pub(super) fn is_passing(code: &str) -> bool {
    PASSING.contains(&code)
}

/// What an error of the SDK means.
pub(super) fn read_error<E>(error: &SdkError<E, HttpResponse>) -> Trouble
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    if status.is_some_and(|status| status == 429 || status >= 500) || is_passing(code) {
        let status = status.map(|status| format!("status {status} ")).unwrap_or_default();
        return Trouble::Passing(format!("{status}{code} {message}").trim().to_owned());
    }
    match error {
        SdkError::ServiceError(_) if code.is_empty() => {
            let status = status.unwrap_or_default();
            Trouble::Refused { code: format!("status {status}"), message: message.to_owned() }
        }
        SdkError::ServiceError(_) => {
            Trouble::Refused { code: code.to_owned(), message: message.to_owned() }
        }
        SdkError::ConstructionFailure(_) => Trouble::Broken(explain_chain(error)),
        // Its causes may quote the answer, which holds the secret.
        SdkError::ResponseError(_) => Trouble::Passing("the answer cannot be read".to_owned()),
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | _ => {
            let text = explain_chain(error);
            // A certificate stays unknown, however often it is looked at.
            if text.contains("certificate") {
                return Trouble::Broken(format!(
                    "{text}; name the proxy's certificates in SSL_CERT_FILE"
                ));
            }
            Trouble::Passing(text)
        }
    }
}

/// An error and its causes, each once.
pub(super) fn explain_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// Calls until there is an answer, a repetition cannot help, or the deadline has come.
///
/// # Errors
///
/// The last trouble; a passing one tells how often the call was made.
pub(super) async fn call_until<T>(
    deadline: Instant,
    mut call: impl AsyncFnMut() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut calls: u32 = 0;
    let mut trouble = String::new();
    loop {
        calls = calls.saturating_add(1);
        let now = Instant::now();
        let end = deadline.min(now.checked_add(ATTEMPT).unwrap_or(deadline));
        match timeout_at(end, call()).await {
            Ok(Err(Trouble::Passing(text))) => trouble = text,
            Ok(answer) => return answer,
            // A call that the deadline cuts short tells less than the one before it.
            Err(_elapsed) if calls > 1 && end == deadline => {}
            Err(_elapsed) => {
                let waited = end.saturating_duration_since(now);
                trouble = format!("no answer within {:.0} s", waited.as_secs_f64());
            }
        }
        let next = Instant::now().checked_add(pause_after(calls)).unwrap_or(deadline);
        if next >= deadline {
            let times = if calls == 1 { "call" } else { "calls" };
            return Err(Trouble::Passing(format!("{trouble} ({calls} {times})")));
        }
        sleep_until(next).await;
    }
}

/// Between half and all of the doubled pause: machines that start at once do not call at once.
fn pause_after(calls: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(calls.saturating_sub(1).min(8)));
    doubled.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for (calls, least, most) in [(1, 100, 200), (2, 200, 400), (4, 800, 1600), (99, 2500, 5000)]
        {
            let pause = pause_after(calls).as_millis();
            assert!((least..=most).contains(&pause), "{calls}: {pause}");
        }
    }

    fn play(seconds: u64, answers: Vec<Result<u8, Trouble>>) -> (Result<u8, Trouble>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let deadline = Instant::now().checked_add(Duration::from_secs(seconds)).unwrap();
            let (mut answers, mut calls) = (answers.into_iter(), 0_usize);
            let answer = call_until(deadline, async || {
                calls = calls.saturating_add(1);
                answers.next().unwrap()
            });
            (answer.await, calls)
        })
    }

    #[test]
    fn only_what_may_pass_is_called_again() {
        let passing = || Err(Trouble::Passing("busy".to_owned()));
        let refused = || Err(Trouble::Refused { code: "No".to_owned(), message: String::new() });
        for (seconds, answers, expected, calls) in [
            (10, vec![Ok(1)], Ok(1), 1),
            (10, vec![passing(), Ok(1)], Ok(1), 2),
            (10, vec![passing(), refused(), Ok(1)], refused(), 2),
            (0, vec![passing()], Err(Trouble::Passing("busy (1 call)".to_owned())), 1),
        ] {
            assert_eq!(play(seconds, answers), (expected, calls));
        }
    }
}
