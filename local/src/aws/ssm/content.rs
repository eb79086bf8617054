//! What a Command document of schema 2.2 says.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::error::{ApiError, ApiResult};

/// The largest document, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A document's content, understood.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Content {
    /// Always `2.2` here.
    pub(crate) schema_version: String,
    /// For people.
    pub(crate) description: Option<String>,
    /// By name.
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, ParameterSpec>,
    /// In the order in which they run.
    pub(crate) main_steps: Vec<Step>,
}

/// What a parameter accepts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParameterSpec {
    /// `String` or `StringList`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// For people.
    pub(crate) description: Option<String>,
    /// What it is when it is not given.
    pub(crate) default: Option<Value>,
    /// What every value must match.
    pub(crate) allowed_pattern: Option<String>,
    /// What every value must be one of.
    pub(crate) allowed_values: Option<Vec<String>>,
    min_chars: Option<Value>,
    max_chars: Option<Value>,
    interpolation_type: Option<String>,
}

impl ParameterSpec {
    /// Whether scripts get it as an environment variable rather than as text.
    pub(crate) fn is_variable(&self) -> bool {
        self.interpolation_type.as_deref() == Some("ENV_VAR")
    }

    /// The fewest and most characters of a value.
    pub(crate) fn length(&self) -> (usize, usize) {
        let least = self.min_chars.as_ref().and_then(whole).unwrap_or(0);
        let most = self.max_chars.as_ref().and_then(whole).unwrap_or(u64::MAX);
        (usize::try_from(least).unwrap_or(usize::MAX), usize::try_from(most).unwrap_or(usize::MAX))
    }
}

/// One step.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    /// Always `aws:runShellScript` here.
    pub(crate) action: String,
    /// The plugin's name in answers.
    pub(crate) name: String,
    /// What the plugin is told.
    pub(crate) inputs: StepInputs,
}

/// What `aws:runShellScript` is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepInputs {
    /// A list of lines, or one reference to a list parameter.
    pub(crate) run_command: Value,
    /// When the script is killed; an hour if it is not said.
    pub(crate) timeout_seconds: Option<Value>,
    /// Where the script runs.
    pub(crate) working_directory: Option<String>,
}

/// A whole number that a document writes as a number or as a text.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

impl Content {
    /// Reads and checks a document's text.
    ///
    /// # Errors
    ///
    /// `MaxDocumentSizeExceeded`, `InvalidDocumentContent`.
    pub(crate) fn read(text: &str) -> ApiResult<Self> {
        if text.len() > MAX_BYTES {
            let message = format!("The document has {} bytes; at most {MAX_BYTES}", text.len());
            return Err(ApiError::client("MaxDocumentSizeExceeded", message));
        }
        let content: Self = serde_json::from_str(text).map_err(|e| invalid(e.to_string()))?;
        content.check()?;
        Ok(content)
    }

    fn check(&self) -> ApiResult<()> {
        if self.schema_version != "2.2" {
            return Err(invalid(format!("schemaVersion `{}` is not 2.2", self.schema_version)));
        }
        for (name, spec) in &self.parameters {
            check_parameter(name, spec)?;
        }
        for step in &self.main_steps {
            if step.action != "aws:runShellScript" {
                return Err(invalid(format!("action `{}` is not supported", step.action)));
            }
            self.check_references(step)?;
        }
        if self.main_steps.is_empty() { Err(invalid("mainSteps is empty")) } else { Ok(()) }
    }

    fn check_references(&self, step: &Step) -> ApiResult<()> {
        let inputs = &step.inputs;
        let text = format!("{} {:?}", inputs.run_command, inputs.timeout_seconds);
        let Ok(reference) = Regex::new(r"\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}") else { return Ok(()) };
        for found in reference.captures_iter(&text) {
            let name = found.get(1).map_or("", |it| it.as_str());
            if !self.parameters.contains_key(name) {
                return Err(invalid(format!("parameter `{name}` is used but not defined")));
            }
        }
        Ok(())
    }
}

fn check_parameter(name: &str, spec: &ParameterSpec) -> ApiResult<()> {
    if !["String", "StringList"].contains(&spec.kind.as_str()) {
        return Err(invalid(format!("parameter `{name}` has type `{}`", spec.kind)));
    }
    let interpolation = spec.interpolation_type.as_deref();
    if !matches!(interpolation, None | Some("STRING_VALUE" | "ENV_VAR")) {
        return Err(invalid(format!("parameter `{name}` has an unknown interpolationType")));
    }
    let pattern = spec.allowed_pattern.as_deref().unwrap_or("");
    let compiled = Regex::new(pattern);
    compiled.map(|_| ()).map_err(|e| invalid(format!("allowedPattern of `{name}`: {e}")))
}

fn invalid(message: impl std::fmt::Display) -> ApiError {
    ApiError::client("InvalidDocumentContent", message)
}
