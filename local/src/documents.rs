//! The SSM documents of `template.yaml`: each verb's parameters, and `hosts/bootstrap.sh`.
//!
//! The bootstrap is the one source of what documents run; the template holds it once, as a mapping.
//! This module holds what it cannot say: parameters with their patterns, time limits, and names.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use esclusa_core::order::Verb;

/// The names of the template's generated parts, which stand between comments `>>>` and `<<<`.
const PARTS: [&str; 2] = ["bootstrap", "documents"];

const DIGITS_10: &str = "^[0-9]{10}$";
const IMAGE: &str = "^(none|local@sha256:[a-f0-9]{64}|snapshot@[0-9]{1,10}\\.[0-9]{1,12}\
    |[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}@sha256:[a-f0-9]{64})$";

/// One of the documents that Esclusa sends to hosts.
#[derive(Debug, Clone, Copy)]
pub struct Document {
    /// The name in Systems Manager.
    pub name: &'static str,
    /// The logical name in the template.
    pub resource: &'static str,
    /// The name of its one step, which is the program's verb.
    pub step: &'static str,
    /// What it does, for a person who looks at the list of documents.
    pub description: &'static str,
    /// What it does to the core, which says how long the agent lets the script run; nothing where
    /// it speaks for no lane.
    verb: Option<Verb>,
    /// The parameters that only this document has, after the common ones.
    parameters: &'static [Parameter],
}

/// A document's parameter: a name that is a shell identifier, and what its value must look like.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// The script sees it as `SSM_<name>`.
    pub name: &'static str,
    /// Anchored, in the common subset of the API's and the agent's regular expressions.
    pub pattern: &'static str,
}

const fn parameter(name: &'static str, pattern: &'static str) -> Parameter {
    Parameter { name, pattern }
}

const COMMON: &[Parameter] = &[
    parameter("Service", "^[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*$"),
    parameter("Environment", "^[a-z][a-z0-9-]{0,31}$"),
    parameter("Project", "^[a-z0-9][a-z0-9_-]{0,254}$"),
    parameter("Repository", "^[a-z0-9][a-z0-9.:/_-]{0,300}$"),
    parameter("IssuedAt", DIGITS_10),
];

const FENCE: Parameter = parameter("Fence", "^[0-9]{1,10}\\.[0-9]{1,12}$");
const COMPOSE: Parameter = parameter("Compose", "^(auto|host|image)$");
const ALLOW: Parameter = parameter("Allow", "^([a-z][A-Za-z0-9_.:/=@+-]{0,3900})?$");

/// The documents, in the order in which a rollout uses them.
pub const DOCUMENTS: &[Document] = &[
    Document {
        name: "Esclusa-Prefetch",
        resource: "PrefetchDocument",
        step: "prefetch",
        description: "Checks a host and pulls a release; changes nothing that runs.",
        verb: Some(Verb::Prefetch),
        parameters: &[
            parameter("Image", IMAGE),
            parameter("ImageBytes", "^[0-9]{1,15}$"),
            FENCE,
            parameter("NotAfter", DIGITS_10),
            COMPOSE,
            ALLOW,
        ],
    },
    Document {
        name: "Esclusa-Activate",
        resource: "ActivateDocument",
        step: "activate",
        description: "Makes a host run a release, checks its health, and restores it on failure.",
        verb: Some(Verb::Activate),
        parameters: &[
            parameter("Image", IMAGE),
            FENCE,
            parameter("NotAfter", DIGITS_10),
            parameter("OnFailure", "^(restore|leave)$"),
            parameter("Mode", "^(change|restart|once)$"),
            parameter("Deadline", "^(auto|[0-9]{1,5})$"),
            parameter("HttpPort", "^([0-9]{1,5})?$"),
            parameter("HttpPath", "^(/[A-Za-z0-9._~/?=&%-]{0,200})?$"),
            parameter("HttpExpect", "^([0-9]{3}(-[0-9]{3})?)?$"),
            COMPOSE,
            ALLOW,
        ],
    },
    Document {
        name: "Esclusa-Inspect",
        resource: "InspectDocument",
        step: "inspect",
        description: "Tells what a host runs; changes nothing.",
        verb: Some(Verb::Inspect),
        parameters: &[parameter("Logs", "^(no|yes)$")],
    },
    Document {
        name: "Esclusa-Measure",
        resource: "MeasureDocument",
        step: "measure",
        description: "Tells what the containers on a host take; changes nothing.",
        verb: None,
        parameters: &[],
    },
];

/// How long the agent lets a script run that speaks for no lane.
const BRIEF: Duration = Duration::from_mins(2);

impl Document {
    /// The parameters in the order of the document.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let common = if self.verb.is_some() { COMMON } else { &[] };
        common.iter().chain(self.parameters)
    }

    fn limit(&self) -> Duration {
        self.verb.map_or(BRIEF, Verb::limit)
    }
}

/// What a document runs: `hosts/bootstrap.sh`, told its verb and the program that it is to run.
///
/// # Errors
///
/// When the script cannot be read.
pub fn bootstrap(hosts: &Path, verb: &str, program: &str) -> io::Result<String> {
    let script = std::fs::read_to_string(hosts.join("bootstrap.sh"))?;
    // Its first line is for shellcheck.
    let (_, script) = script.split_once('\n').unwrap_or_default();
    Ok(format!("#!/usr/bin/env bash\nverb={verb} program={program}\n{script}"))
}

/// Why the documents could not be made or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// A script or the template could not be read or written.
    #[error("cannot use `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The marker comments are not all in the template: put them back.
    #[error("`{path}` lacks the lines `# >>> {part}` and `# <<< {part}`")]
    Markers {
        /// The template.
        path: PathBuf,
        /// The part that they enclose.
        part: &'static str,
    },
    /// The template holds another bootstrap or other parameters: run `esclusa-local documents`.
    #[error("`{path}` differs from hosts/bootstrap.sh: run `esclusa-local documents`")]
    Differs {
        /// The template.
        path: PathBuf,
    },
}

/// Rewrites the documents in the template, or with `check` only compares them.
///
/// # Errors
///
/// When a file cannot be used, or `check` found a difference.
pub fn write(root: &Path, check: bool) -> Result<(), DocumentsError> {
    let path = root.join("template.yaml");
    let file = |source| DocumentsError::File { path: path.clone(), source };
    let old = std::fs::read_to_string(&path).map_err(file)?;
    let new = PARTS.into_iter().try_fold(old.clone(), |text, part| {
        let (begin, end) = (format!("  # >>> {part}\n"), format!("  # <<< {part}\n"));
        let markers = || DocumentsError::Markers { path: path.clone(), part };
        let (before, rest) = text.split_once(&begin).ok_or_else(markers)?;
        let (_, after) = rest.split_once(&end).ok_or_else(markers)?;
        let made = render(part, &root.join("hosts"))?;
        Ok(format!("{before}{begin}{made}{end}{after}"))
    })?;
    if new == old {
        return Ok(());
    }
    if check {
        return Err(DocumentsError::Differs { path });
    }
    std::fs::write(&path, new).map_err(file)
}

fn render(part: &str, hosts: &Path) -> Result<String, DocumentsError> {
    if part != "bootstrap" {
        return Ok(DOCUMENTS.iter().map(resource).collect());
    }
    let path = hosts.join("bootstrap.sh");
    let script = std::fs::read_to_string(&path);
    let script = script.map_err(|source| DocumentsError::File { path, source })?;
    let (_, script) = script.split_once('\n').unwrap_or_default();
    Ok(format!("  Host:\n    Bootstrap:\n      Script: |-\n{}", indented(script)))
}

const RESOURCE: &str = r#"
  @resource:
    Type: AWS::SSM::Document
    Properties:
      Name: @name
      DocumentType: Command
      DocumentFormat: JSON
      TargetType: /AWS::EC2::Instance
      UpdateMethod: NewVersion
      Content:
        schemaVersion: "2.2"
        description: @description
@parameters        mainSteps:
          - action: aws:runShellScript
            name: @step
            precondition: { StringEquals: [platformType, Linux] }
            inputs:
              timeoutSeconds: "@seconds"
              # Line by line, so that the console shows it as it is here.
              runCommand: !Split
                - "\n"
                - !Join
                  - "\n"
                  - - '#!/usr/bin/env bash'
                    - !Sub "verb=@step program=${HostImages.RepositoryUri}@${HostProgram.Digest}"
                    - !FindInMap [Host, Bootstrap, Script]
"#;

const PARAMETER: &str = "          @name: { type: String, interpolationType: ENV_VAR, \
    allowedPattern: '@pattern' }\n";

fn resource(document: &Document) -> String {
    let parameters: String = document
        .parameters()
        .map(|it| PARAMETER.replace("@name", it.name).replace("@pattern", it.pattern))
        .collect();
    let parameters = match parameters.as_str() {
        "" => String::new(),
        some => format!("        parameters:\n{some}"),
    };
    // Patterns come last, so that nothing in them is taken for a place to fill.
    RESOURCE
        .replace("@resource", document.resource)
        .replace("@name", document.name)
        .replace("@description", document.description)
        .replace("@step", document.step)
        .replace("@seconds", &document.limit().as_secs().to_string())
        .replace("@parameters", &parameters)
}

/// The script as a block scalar's lines.
fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        if !line.is_empty() {
            all.push_str("        ");
            all.push_str(line);
        }
        all.push('\n');
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_holds_the_bootstrap_of_the_hosts() {
        write(&crate::places::tested_checkout(), true).unwrap();
    }

    #[test]
    fn the_template_is_pleasant_to_read() {
        let template = crate::places::tested_checkout().join("template.yaml");
        let template = std::fs::read_to_string(template).unwrap();
        assert!(template.lines().count() <= 1_700, "{} lines", template.lines().count());
        for document in DOCUMENTS {
            let lines = resource(document).lines().count();
            assert!(lines <= 60, "{} has {lines} lines", document.name);
        }
    }

    #[test]
    fn every_pattern_is_anchored_and_every_name_is_a_shell_identifier() {
        for parameter in DOCUMENTS.iter().flat_map(Document::parameters) {
            let Parameter { name, pattern } = parameter;
            assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{name}: {pattern}");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
            regex::Regex::new(pattern).unwrap();
        }
    }

    #[test]
    fn a_script_becomes_a_block_scalar_without_trailing_blanks() {
        let expected = "        if x; then\n\n          y\n";
        assert_eq!(indented("if x; then\n\n  y\n"), expected);
    }
}
