//! The verbs, and the whole order of what happens.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Builder;

use crate::application::Application;
use crate::arguments::{Arguments, Options, Verb};
use crate::directory::{self, Directory};
use crate::fault::{Fault, Place, exit_code, print_line};
use crate::inputs::Inputs;
use crate::plan;
use crate::request::{FileName, Target};
use crate::resolve::{Resolved, resolve_requests};
use crate::secret::Secret;
use crate::signals::Signals;

/// The code of `sysexits.h` for a command line that cannot be read.
const USAGE: u8 = 64;

/// Does what was asked for; returns only when this process did not become the application.
pub(crate) fn run() -> ExitCode {
    match Arguments::try_parse() {
        Ok(Arguments { verb: Verb::Exec { options, command } }) => {
            exec_application(options, command)
        }
        Ok(Arguments { verb: Verb::Check { options } }) => check_references(options),
        Err(answer) => {
            // Help and versions are answers, too. Nobody may be there to read.
            let _unread = answer.print();
            if answer.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        }
    }
}

/// What is known once Secrets Manager has answered.
struct Outcome {
    resolved: Vec<Resolved>,
    /// Absent where no file is asked for, or the directory is at fault.
    directory: Option<Directory>,
    faults: Vec<Fault>,
}

fn exec_application(options: Options, command: Vec<OsString>) -> ExitCode {
    let Some(mut application) = Application::new(command) else {
        print_line(
            "no command to run; give the image a CMD, or the service a `command:` in Compose",
        );
        return ExitCode::from(USAGE);
    };
    let inputs = Inputs::read(options);
    if inputs.requests.is_empty() && inputs.faults.is_empty() {
        return application.start();
    }
    for name in &inputs.references {
        application.remove(name);
    }
    run_until_signal(async |mut signals| {
        let outcome = match signals.interrupt(resolve_inputs(inputs)).await {
            Ok(outcome) => outcome,
            Err(code) => return ExitCode::from(code),
        };
        start_application(application, outcome, signals).await
    })
}

/// Writes the files and becomes the application, if nothing is at fault.
async fn start_application(
    mut application: Application,
    outcome: Outcome,
    mut signals: Signals,
) -> ExitCode {
    let Outcome { resolved, directory, mut faults } = outcome;
    let mut files: BTreeMap<FileName, Secret> = BTreeMap::new();
    for Resolved { request, value } in resolved {
        let value = match value {
            Ok(value) => value,
            Err(failure) => {
                faults.push(failure.at(&request.place));
                continue;
            }
        };
        match (request.target, &directory) {
            (Target::Variable(name), _) => application.set_secret(&name, &value),
            (Target::File { name, variable }, Some(directory)) => {
                if let Some(variable) = variable {
                    application.set(&variable, directory.path_of(&name));
                }
                files.insert(name, value);
            }
            // The directory is among the faults.
            (Target::File { .. }, None) => {}
        }
    }
    if faults.is_empty()
        && let Some(directory) = &directory
    {
        faults.extend(directory.write(&files).err());
    }
    if !faults.is_empty() {
        return report_faults(&faults);
    }
    let code = match signals.pending().await {
        Some(code) => ExitCode::from(code),
        None => application.start(),
    };
    if let Some(directory) = directory {
        directory.remove(files.keys());
    }
    code
}

fn report_faults(faults: &[Fault]) -> ExitCode {
    for fault in faults {
        print_line(&fault.to_string());
    }
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    };
    print_line(&format!("the application is not started: {count}"));
    exit_code(faults)
}

/// Prints a line for each reference and each fault, and never a value.
fn check_references(options: Options) -> ExitCode {
    let inputs = Inputs::read(options);
    let asked: Vec<Place> = inputs.requests.iter().map(|it| it.place.clone()).collect();
    run_until_signal(async |mut signals| {
        let outcome = match signals.interrupt(resolve_inputs(inputs)).await {
            Ok(outcome) => outcome,
            Err(code) => return ExitCode::from(code),
        };
        let Outcome { resolved, mut faults, .. } = outcome;
        let mut lines: Vec<String> = faults.iter().map(|fault| format!("fault  {fault}")).collect();
        if resolved.is_empty() {
            lines.extend(asked.iter().map(|place| format!("fault  {place}: not fetched")));
        }
        for Resolved { request, value } in resolved {
            match value {
                Ok(_) => lines.push(format!("ok     {}: {}", request.place, request.version)),
                Err(failure) => {
                    let fault = failure.at(&request.place);
                    lines.push(format!("fault  {fault}"));
                    faults.push(fault);
                }
            }
        }
        lines.push(String::new());
        // Nobody may be there to read.
        let _unread = std::io::stdout().write_all(lines.join("\n").as_bytes());
        exit_code(&faults)
    })
}

/// Looks at the directory and fetches, whatever is at fault: all faults are told at once.
async fn resolve_inputs(inputs: Inputs) -> Outcome {
    let Inputs { requests, settings, mut faults, .. } = inputs;
    let directory = plan::makes_files(&requests).then(|| directory::check(&settings.directory));
    let directory = match directory.transpose() {
        Ok(directory) => directory,
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let resolved = match resolve_requests(requests, settings.deadline).await {
        Ok(resolved) => resolved,
        Err(fault) => {
            faults.push(fault);
            Vec::new()
        }
    };
    Outcome { resolved, directory, faults }
}

/// Runs what waits for AWS, with handlers for the signals that stop a container.
fn run_until_signal(work: impl AsyncFnOnce(Signals) -> ExitCode) -> ExitCode {
    let failed = |error| {
        print_line(&format!("cannot wait for signals or connections: {error}"));
        ExitCode::FAILURE
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(error),
    };
    let code = runtime.block_on(async {
        match Signals::install() {
            Ok(signals) => work(signals).await,
            Err(error) => failed(error),
        }
    });
    // A look-up of a name cannot be cut short, and is not waited for.
    runtime.shutdown_background();
    code
}
