//! The actions that a function's role grants are exactly those that the function can call.
//!
//! What it can call is read off the program: the linker leaves an operation of an AWS client out
//! where nothing reaches it, and each that it keeps brings the name of its endpoint's interceptor.

use std::collections::{BTreeMap, BTreeSet};

use crate::{FUNCTIONS, options};

/// What follows an operation's name in a program that can call it.
const MARK: &[u8] = b"EndpointParamsInterceptor";

/// What AWS itself does with a function's role.
const OF_LAMBDA: [&str; 5] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

/// Actions that AWS asks for beside, or instead of, the one named after the operation.
fn within(function: &str, operation: &str) -> Vec<&'static str> {
    match (function, operation) {
        // Each item of a transaction is judged by itself: lanes are put, images are claimed.
        ("retention", "TransactWriteItems") => {
            vec!["dynamodb:ConditionCheckItem", "dynamodb:UpdateItem"]
        }
        (_, "TransactWriteItems") => {
            vec!["dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        }
        // Alarms are made with tags.
        (_, "PutMetricAlarm") => vec!["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"],
        _ => Vec::new(),
    }
}

#[test]
fn each_function_can_call_exactly_what_its_role_grants() {
    for (function, role) in FUNCTIONS {
        let granted = granted(role);
        let operations: BTreeMap<&str, &str> =
            granted.iter().filter_map(|it| it.split_once(':')).map(|(a, b)| (b, a)).collect();
        let mut called: BTreeSet<String> = OF_LAMBDA.map(str::to_owned).into();
        called.retain(|action| granted.contains(action));
        for before_mark in marks(function) {
            let beside = ["TransactWriteItems"].into_iter();
            let known = operations.keys().copied().chain(beside);
            let operation = known
                .filter(|name| before_mark.ends_with(name))
                .max_by_key(|name| name.len())
                .unwrap_or_else(|| panic!("{function} calls what {role} lacks: …{before_mark}"));
            let more = within(function, operation);
            if more.is_empty() {
                called.insert(format!("{}:{operation}", operations[operation]));
            }
            called.extend(more.into_iter().map(str::to_owned));
        }
        assert_eq!(granted, called, "left: granted by {role}; right: {function} can call");
        assert!(called.len() > 7, "the marks of {function} were not found: {called:?}");
    }
}

/// What stands before each mark in the function's program.
fn marks(function: &str) -> Vec<String> {
    let path = options().code().join(function).join("bootstrap");
    let program = std::fs::read(&path);
    let program = program.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let at = (0..program.len()).filter(|at| program[*at..].starts_with(MARK));
    at.map(|at| String::from_utf8_lossy(&program[at.saturating_sub(60)..at]).into_owned()).collect()
}

/// The actions of a role's own policy.
fn granted(role: &str) -> BTreeSet<String> {
    let template = std::fs::read_to_string(options().root.join("template.yaml")).unwrap();
    let from = template.find(&format!("\n  {role}:\n")).unwrap();
    let policy = &template[from..];
    let policy = &policy[policy.find("\n      Policies:\n").unwrap()..];
    let policy = &policy[..policy.find("\n\n").unwrap()];
    let mut actions = BTreeSet::new();
    let mut listing = false;
    for line in policy.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let named = line.strip_prefix("Action:");
        listing = named.is_some() || (listing && line.starts_with("- "));
        if listing {
            let words = named.unwrap_or(line).split([' ', ',', '[', ']', '-']);
            actions.extend(words.filter(|word| word.contains(':')).map(str::to_owned));
        }
    }
    assert!(actions.iter().all(|action| !action.contains('*')), "{role} grants {actions:?}");
    actions
}
