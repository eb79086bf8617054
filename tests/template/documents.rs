//! What a host is told comes through parameters, and nothing but values comes through those.

use std::collections::BTreeMap;

use esclusa_local::documents::{DOCUMENTS, Document};
use serde_json::{Value, json};

use crate::calls::Callers;

/// What somebody would append or put before a value to have a shell, a tool or SSM do more than
/// read it.
const INJECTIONS: [&str; 64] = [
    ";",
    "; reboot",
    ";reboot;",
    "&& reboot",
    "|| reboot",
    "& reboot &",
    "| sh",
    "|",
    "\nreboot",
    "\r\nreboot\r\n",
    "\n",
    "\r",
    "\t",
    " ",
    "\u{b}",
    "\u{c}",
    "\u{1b}[2J",
    "\u{7f}",
    // What a shell expands.
    "$(reboot)",
    "`reboot`",
    "$HOME",
    "${HOME}",
    "${IFS}reboot",
    "$'\\x0a'reboot",
    "$((1+1))",
    "<(reboot)",
    "{reboot,now}",
    "~root;",
    "*",
    "[a]",
    "!!",
    "!reboot",
    "#",
    "\\",
    "\\n",
    // What ends a word, a string or a command.
    "'",
    "\"",
    "'; reboot; '",
    "\"; reboot; \"",
    "\" --privileged \"",
    " --volume /:/host",
    "> /etc/passwd",
    ">> /root/.ssh/authorized_keys",
    "< /etc/shadow",
    "2>&1;",
    "(reboot)",
    ")",
    "}",
    "^reboot",
    ",reboot",
    // What Systems Manager, CloudFormation, Compose or jq would put something in place of.
    "{{ Image }}",
    "{{Service}}",
    "{{ssm:/esclusa/defaults}}",
    "{{ssm-secure:/db/password}}",
    "{{resolve:secretsmanager:prod/tickets/db}}",
    "${AWS::AccountId}",
    "${DB_PASSWORD:-x}",
    "\\(env)",
    // What looks like what is allowed, or like nothing.
    "\u{430}",
    "\u{ff41}",
    "\u{200b}",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
];

/// A value that each parameter takes.
fn values() -> BTreeMap<&'static str, String> {
    let image = format!("v1.0.0@sha256:{}", "a".repeat(64));
    [
        ("Service", "acme/tickets"),
        ("Environment", "production"),
        ("Project", "acme--tickets"),
        ("Repository", "123456789012.dkr.ecr.eu-south-1.amazonaws.com/acme/tickets"),
        ("IssuedAt", "1790000000"),
        ("Image", image.as_str()),
        ("ImageBytes", "1048576"),
        ("Fence", "1.1"),
        ("NotAfter", "1790000600"),
        ("OnFailure", "restore"),
        ("Mode", "change"),
        ("Deadline", "120"),
        ("HttpPort", "8080"),
        ("HttpPath", "/healthz?full=1"),
        ("HttpExpect", "200-299"),
        ("Compose", "host"),
        ("Allow", "cap_add=NET_ADMIN+volumes=/srv/x"),
        ("Logs", "no"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// The call that sends this document with these values, to no host at all.
fn sent(document: &Document, values: &BTreeMap<&str, String>) -> Value {
    let names = document.parameters().map(|it| it.name);
    let parameters: BTreeMap<&str, [&String; 1]> =
        names.map(|name| (name, [&values[name]])).collect();
    let nobody = [json!({ "Key": "tag:esclusa:service", "Values": ["nobody"] })];
    json!({ "DocumentName": document.name, "Targets": nobody, "Parameters": parameters })
}

pub(crate) fn nothing_but_values_gets_through(callers: &Callers<'_>) {
    let good = values();
    let mut tried = Vec::new();
    let mut calls = Vec::new();
    for document in DOCUMENTS {
        callers.root("ssm", "send_command", sent(document, &good));
        for parameter in document.parameters() {
            let value = &good[parameter.name];
            for (number, injection) in INJECTIONS.iter().enumerate() {
                let bad = match number % 2 {
                    0 => format!("{value}{injection}"),
                    _ => format!("{injection}{value}"),
                };
                let mut values = good.clone();
                tried.push(format!("{} {} {bad:?}", document.name, parameter.name));
                values.insert(parameter.name, bad);
                calls.push(("root", "ssm", "send_command", sent(document, &values)));
            }
        }
    }
    for (what, answer) in tried.iter().zip(callers.call(&calls)) {
        assert_eq!(answer.error.as_deref(), Some("InvalidParameters"), "{what}");
    }
    let parameters: usize = DOCUMENTS.iter().map(|it| it.parameters().count()).sum();
    assert_eq!(tried.len(), parameters * INJECTIONS.len());
    println!("{} injections into {parameters} parameters were refused", tried.len());
}
