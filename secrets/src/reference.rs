//! References in environment variables: `secretsmanager:<secret>[?<option>[&…]][#<json-key>]`.
//!
//! The form is that of a URL, because neither `?` nor `#` can be part of a secret's name or ARN.

use esclusa_core::configuration::nearest;

use crate::fault::{Fault, Place};
use crate::pem::{self, Pem};
use crate::request::{
    CURRENT, FileName, Part, Request, SecretId, Target, Version, parse_stage, parse_variable,
};

/// What every reference begins with.
pub(crate) const PREFIX: &str = "secretsmanager:";

/// The prefix without its colon.
const SCHEME: &str = "secretsmanager";

/// What the variable that gets a file's path ends with, as Docker's official images have it.
const FILE_SUFFIX: &str = "_FILE";

const OPTIONS: [&str; 4] = ["as", "file", "pem", "stage"];

/// The options of a reference.
#[derive(Default)]
struct Options {
    stage: Option<String>,
    as_variable: bool,
    file: Option<FileName>,
    pem: Option<Pem>,
}

/// Reads a variable; nothing where its value is no reference and does not look like one.
///
/// # Errors
///
/// Each thing that is wrong. No message repeats the value, which may be a secret.
pub(crate) fn read(name: &str, value: &str) -> Option<Result<Request, Vec<Fault>>> {
    let place = Place::Variable(name.to_owned());
    let Some(rest) = value.strip_prefix(PREFIX) else {
        let text = looks_like_reference(value)?;
        return Some(Err(vec![Fault::configuration(&place, text)]));
    };
    let (rest, key) = match rest.split_once('#') {
        Some((rest, key)) => (rest, Some(key)),
        None => (rest, None),
    };
    let (id, options) = match rest.split_once('?') {
        Some((id, options)) => (id, Some(options)),
        None => (rest, None),
    };
    let mut problems = Vec::new();
    let mut keep = |problem: &str| problems.push(problem.to_owned());
    let id = SecretId::parse(id).map_err(&mut keep).ok();
    if key == Some("") {
        keep("no JSON key follows the `#`");
    }
    let (options, wrong) = options.map(read_options).unwrap_or_default();
    problems.extend(wrong);
    let target = read_target(name, &options).map_err(|problem| problems.push(problem)).ok();
    if problems.is_empty()
        && let (Some(id), Some(target)) = (id, target)
    {
        let stage = options.stage.unwrap_or_else(|| CURRENT.to_owned());
        let part = key.map_or(Part::Whole, |key| Part::Key(key.to_owned()));
        let version = Version { id, stage };
        return Some(Ok(Request { place, version, part, target, pem: options.pem }));
    }
    let form = "the form is `secretsmanager:<name or ARN>[?<option>&…][#<json-key>]`";
    let fault = |problem| Fault::configuration(&place, format!("{problem}; {form}"));
    Some(Err(problems.into_iter().map(fault).collect()))
}

/// Whether the value was probably meant to be a reference, and why it is none.
fn looks_like_reference(value: &str) -> Option<String> {
    let bare = value.trim_start_matches([' ', '\t', '"', '\'']);
    let (head, _) = bare.split_once(':')?;
    if head == SCHEME {
        return Some("a space or quote stands before `secretsmanager:`; remove it".to_owned());
    }
    nearest(head, [SCHEME])?;
    Some("it looks like a reference; write `secretsmanager:` in front of the secret".to_owned())
}

fn read_options(text: &str) -> (Options, Vec<String>) {
    let (mut options, mut problems) = (Options::default(), Vec::new());
    let mut seen = Vec::new();
    for option in text.split('&') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let Some(name) = OPTIONS.into_iter().find(|known| *known == name) else {
            problems.push(unknown_option(name));
            continue;
        };
        if seen.contains(&name) {
            problems.push(format!("the option `{name}` stands twice"));
        }
        seen.push(name);
        if let Err(problem) = read_option(&mut options, name, value) {
            problems.push(format!("option `{name}`: {problem}"));
        }
    }
    (options, problems)
}

fn read_option(options: &mut Options, name: &str, value: &str) -> Result<(), &'static str> {
    match (name, value) {
        ("as", "env") => options.as_variable = true,
        ("as", "file") => options.as_variable = false,
        ("as", _) => return Err("write `as=env` or `as=file`"),
        ("file", value) => options.file = Some(FileName::parse(value)?),
        ("stage", value) => options.stage = Some(parse_stage(value)?),
        (_, value) => {
            let word = pem::WORDS.iter().find(|(word, _)| *word == value);
            let (_, pem) = word.ok_or("write `certificate`, `private-key` or `key-pair`")?;
            options.pem = Some(*pem);
        }
    }
    Ok(())
}

/// The name is repeated only where it is near a known one: else it may be part of a secret.
fn unknown_option(name: &str) -> String {
    match nearest(name, OPTIONS) {
        Some(meant) => format!("an option is unknown; did you mean `{meant}`?"),
        None => format!("an option is unknown; the options are `{}`", OPTIONS.join("`, `")),
    }
}

/// Where the value goes: a file that is named after the variable unless the options say otherwise.
fn read_target(name: &str, options: &Options) -> Result<Target, String> {
    let name = parse_variable(name)?;
    if options.as_variable {
        if options.file.is_some() {
            return Err("`as=env` makes no file; remove `file` or `as=env`".to_owned());
        }
        return Ok(Target::Variable(name));
    }
    let stem = name.strip_suffix(FILE_SUFFIX).filter(|stem| !stem.is_empty()).unwrap_or(&name);
    let file = match &options.file {
        Some(file) => file.clone(),
        None => FileName::parse(stem)?,
    };
    let variable = Some(format!("{stem}{FILE_SUFFIX}"));
    Ok(Target::File { name: file, variable })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(name: &str, variable: &str) -> Target {
        Target::File { name: FileName::parse(name).unwrap(), variable: Some(variable.to_owned()) }
    }

    #[test]
    fn references_are_read() {
        let arn = "arn:aws:secretsmanager:eu-south-1:123456789012:secret:prod/db-AbCdEf";
        let with_arn = format!("secretsmanager:{arn}?stage=AWSPREVIOUS#user");
        let key = |key: &str| Part::Key(key.to_owned());
        for (variable, value, id, stage, part, target) in [
            ("A", "secretsmanager:prod/db", "prod/db", CURRENT, Part::Whole, file("A", "A_FILE")),
            ("A", "secretsmanager:db#k#?@", "db", CURRENT, key("k#?@"), file("A", "A_FILE")),
            ("A", &with_arn, arn, "AWSPREVIOUS", key("user"), file("A", "A_FILE")),
            ("A", "secretsmanager:a@b?as=env", "a@b", CURRENT, Part::Whole, {
                Target::Variable("A".to_owned())
            }),
            ("A", "secretsmanager:db?file=a.txt&as=file", "db", CURRENT, Part::Whole, {
                file("a.txt", "A_FILE")
            }),
            ("A_FILE", "secretsmanager:db", "db", CURRENT, Part::Whole, file("A", "A_FILE")),
            ("_FILE", "secretsmanager:db", "db", CURRENT, Part::Whole, file("_FILE", "_FILE_FILE")),
        ] {
            let request = read(variable, value).unwrap().unwrap();
            let version = Version { id: SecretId::parse(id).unwrap(), stage: stage.to_owned() };
            assert_eq!(
                (request.version, request.part, request.target),
                (version, part, target),
                "{variable}={value}"
            );
        }
    }

    #[test]
    fn other_values_are_left_alone() {
        for value in [
            "",
            "hunter2",
            "secretsmanager",
            "postgres://secretsmanager:x@db",
            "arn:aws:secretsmanager:eu-south-1:123456789012:secret:prod/db-AbCdEf",
            "https://secretsmanager.eu-south-1.amazonaws.com",
        ] {
            assert!(read("A", value).is_none(), "{value}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (value, expected) in [
            ("secretsmanager:", vec!["name is missing"]),
            ("secretsmanager:#hunter2", vec!["name is missing"]),
            ("secretsmanager:hunter2 x", vec!["a character other than"]),
            ("secretsmanager:db#", vec!["no JSON key follows"]),
            ("secretsmanager:db?", vec!["an option is unknown; the options are"]),
            ("secretsmanager:db?hunter2", vec!["an option is unknown; the options are"]),
            ("secretsmanager:db?stag=hunter2", vec!["did you mean `stage`?"]),
            ("secretsmanager:db?stage=", vec!["`stage`: the stage is not a label"]),
            ("secretsmanager:db?as=hunter2", vec!["`as`: write `as=env`"]),
            ("secretsmanager:db?as=env&as=env", vec!["`as` stands twice"]),
            ("secretsmanager:db?as=env&file=a", vec!["remove `file` or `as=env`"]),
            ("secretsmanager:db?file=../hunter2", vec!["`file`: the file's name holds a `/`"]),
            ("secretsmanager:db?pem=hunter2", vec!["`pem`: write `certificate`"]),
            ("secretsmanager: db?as=x#", vec!["a character", "no JSON key", "write `as=env`"]),
            ("secretmanager:hunter2", vec!["it looks like a reference"]),
            ("SecretsManager:hunter2", vec!["it looks like a reference"]),
            ("\"secretsmanager:hunter2\"", vec!["a space or quote stands before"]),
            (" secretsmanager:hunter2", vec!["a space or quote stands before"]),
        ] {
            let faults = read("A", value).unwrap().unwrap_err();
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(lines.len(), expected.len(), "{value}: {lines:?}");
            for (line, part) in lines.iter().zip(expected) {
                assert!(line.starts_with("variable `A`: ") && line.contains(part), "{line}");
                assert!(!line.contains("hunter2"), "{line}");
            }
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(value in ".*") {
            let _read = read("A", &value);
            let _read = read("A", &format!("secretsmanager:{value}"));
        }

        #[test]
        fn every_valid_part_is_read_back(
            id in "[A-Za-z0-9/_+=.@-]{1,40}", key in ".{1,20}", stage in "[A-Z]{1,10}",
        ) {
            let request = read("A", &format!("secretsmanager:{id}?stage={stage}#{key}"));
            let request = request.unwrap().unwrap();
            prop_assert_eq!(request.version.id.as_str(), id);
            prop_assert_eq!(request.version.stage, stage);
            prop_assert_eq!(request.part, Part::Key(key));
        }
    }
}
