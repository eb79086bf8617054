//! A command's parameters against what its document accepts, and into its scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use super::content::{Content, ParameterSpec, Step, whole};
use crate::aws::error::{ApiError, ApiResult};

/// Values by parameter name; every value is a list, as in the API.
pub(crate) type Values = BTreeMap<String, Vec<String>>;

/// One step, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// The step's name.
    pub(crate) name: String,
    /// The script file's content.
    pub(crate) text: String,
    /// `SSM_…` variables.
    pub(crate) variables: Vec<(String, String)>,
    /// When it is killed.
    pub(crate) timeout: Duration,
    /// Where it runs.
    pub(crate) directory: Option<String>,
}

/// What `aws:runShellScript` allows a script when the document does not say.
const DEFAULT_TIMEOUT_SECONDS: u64 = 3600;

/// Checks given values and fills in defaults.
///
/// # Errors
///
/// `InvalidParameters`: an unknown name, a missing value, or one that is not accepted.
pub(crate) fn resolve(content: &Content, given: &Values) -> ApiResult<Values> {
    if let Some(name) = given.keys().find(|name| !content.parameters.contains_key(*name)) {
        return Err(invalid(name, "is not a parameter of the document"));
    }
    let mut values = Values::new();
    for (name, spec) in &content.parameters {
        let value = given.get(name).cloned().or_else(|| spec.default.as_ref().map(listed));
        let value = value.ok_or_else(|| invalid(name, "has no value and no default"))?;
        check(name, spec, &value)?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

fn check(name: &str, spec: &ParameterSpec, values: &[String]) -> ApiResult<()> {
    if spec.kind == "String" && values.len() != 1 {
        return Err(invalid(name, "takes one value"));
    }
    let pattern = spec.allowed_pattern.as_deref().map(Regex::new).transpose();
    let pattern = pattern.map_err(|_| invalid(name, "has a pattern that is no pattern"))?;
    let (least, most) = spec.length();
    for value in values {
        let length = value.chars().count();
        if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
            return Err(invalid(name, "does not match its allowedPattern"));
        }
        if spec.allowed_values.as_ref().is_some_and(|allowed| !allowed.contains(value)) {
            return Err(invalid(name, "is not one of its allowedValues"));
        }
        if length < least || length > most {
            return Err(invalid(name, "is too short or too long"));
        }
    }
    Ok(())
}

fn listed(value: &Value) -> Vec<String> {
    match value.as_array() {
        Some(items) => items.iter().map(scalar).collect(),
        None => vec![scalar(value)],
    }
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn invalid(name: &str, what: &str) -> ApiError {
    ApiError::client("InvalidParameters", format!("Parameter \"{name}\" {what}."))
}

/// The steps of a document with a command's values in them.
///
/// An agent that does not know `ENV_VAR` substitutes the text of those parameters too and sets no
/// variables, which is what the host scripts must be able to tell.
pub(crate) fn scripts(content: &Content, values: &Values, env_vars: bool) -> Vec<Script> {
    let is_variable = |name: &str| {
        env_vars && content.parameters.get(name).is_some_and(ParameterSpec::is_variable)
    };
    let variables: Vec<(String, String)> = values
        .iter()
        .filter(|(name, _)| is_variable(name))
        .map(|(name, value)| (format!("SSM_{name}"), value.join(",")))
        .collect();
    let texts: Values = values
        .iter()
        .filter(|(name, _)| !is_variable(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let script = |step: &Step| Script {
        name: step.name.clone(),
        text: lines(&step.inputs.run_command, &texts),
        variables: variables.clone(),
        timeout: timeout(step, values),
        directory: step.inputs.working_directory.as_deref().map(|it| substitute(it, &texts)),
    };
    content.main_steps.iter().map(script).collect()
}

/// The longest that all steps together may take.
pub(crate) fn execution_seconds(content: &Content, values: &Values) -> u64 {
    content.main_steps.iter().map(|it| timeout(it, values).as_secs()).fold(0, u64::saturating_add)
}

fn timeout(step: &Step, values: &Values) -> Duration {
    let stated = step.inputs.timeout_seconds.as_ref();
    let text = stated.map(|it| substitute(&scalar(it), values));
    let seconds = text.and_then(|it| whole(&Value::String(it))).unwrap_or(DEFAULT_TIMEOUT_SECONDS);
    Duration::from_secs(seconds)
}

fn lines(command: &Value, values: &Values) -> String {
    let reference = command.as_str().unwrap_or_default();
    let whole_list = values.iter().find(|(name, _)| is_reference(reference, name));
    let lines = match whole_list {
        Some((_, list)) => list.clone(),
        None => listed(command).iter().map(|line| substitute(line, values)).collect(),
    };
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn is_reference(text: &str, name: &str) -> bool {
    let inner = text.trim().strip_prefix("{{").and_then(|it| it.strip_suffix("}}"));
    inner.is_some_and(|it| it.trim() == name)
}

fn substitute(text: &str, values: &Values) -> String {
    let mut result = text.to_owned();
    for (name, value) in values {
        for form in [format!("{{{{{name}}}}}"), format!("{{{{ {name} }}}}")] {
            result = result.replace(&form, &value.join(","));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Content {
        let text = json!({
            "schemaVersion": "2.2",
            "parameters": {
                "Image": { "type": "String", "allowedPattern": "^[a-z:]+$",
                           "interpolationType": "ENV_VAR" },
                "Mode": { "type": "String", "allowedValues": ["a", "b"], "default": "a" },
                "Limit": { "type": "String", "default": "5", "maxChars": 3 },
                "Lines": { "type": "StringList", "default": ["x", "y"] },
            },
            "mainSteps": [{ "action": "aws:runShellScript", "name": "step",
                "inputs": { "runCommand": ["echo {{ Mode }} {{Image}}"],
                            "timeoutSeconds": "{{ Limit }}" } }],
        });
        Content::read(&text.to_string()).expect("a document")
    }

    fn given(pairs: &[(&str, &[&str])]) -> Values {
        let own = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        pairs.iter().map(|(name, value)| ((*name).to_owned(), own(value))).collect()
    }

    #[test]
    fn only_what_the_document_accepts_passes() {
        for (values, expected) in [
            (given(&[("Image", &["ab:c"])]), Ok(())),
            (given(&[]), Err("Parameter \"Image\" has no value and no default.")),
            (
                given(&[("Image", &["a\n"])]),
                Err("Parameter \"Image\" does not match its allowedPattern."),
            ),
            (
                given(&[("Image", &["a;b"])]),
                Err("Parameter \"Image\" does not match its allowedPattern."),
            ),
            (given(&[("Image", &["a", "b"])]), Err("Parameter \"Image\" takes one value.")),
            (
                given(&[("Image", &["a"]), ("Mode", &["c"])]),
                Err("Parameter \"Mode\" is not one of its allowedValues."),
            ),
            (
                given(&[("Image", &["a"]), ("Limit", &["1234"])]),
                Err("Parameter \"Limit\" is too short or too long."),
            ),
            (
                given(&[("Image", &["a"]), ("Other", &["c"])]),
                Err("Parameter \"Other\" is not a parameter of the document."),
            ),
        ] {
            let result = resolve(&document(), &values).map(|_| ()).map_err(|e| e.message);
            assert_eq!(result, expected.map_err(str::to_owned), "{values:?}");
        }
    }

    #[test]
    fn a_new_agent_sets_variables_and_an_old_one_substitutes_text() {
        let document = document();
        let values = resolve(&document, &given(&[("Image", &["abc"])])).expect("values");
        let new = scripts(&document, &values, true);
        assert_eq!(new[0].text, "echo a {{Image}}\n");
        assert_eq!(new[0].variables, [("SSM_Image".to_owned(), "abc".to_owned())]);
        assert_eq!(new[0].timeout, Duration::from_secs(5));
        let old = scripts(&document, &values, false);
        assert_eq!(old[0].text, "echo a abc\n");
        assert!(old[0].variables.is_empty());
    }
}
