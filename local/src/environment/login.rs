//! The registry login of the environment's hosts.

use std::fs;

use super::error::{EnvironmentError, io_at};
use super::up::own_program;
use crate::host::Host;

/// The name by which Docker finds it.
const PROGRAM: &str = "docker-credential-ecr-login";

/// Gives a host the program that logs in to the registry, as a package does on an EC2 machine.
///
/// # Errors
///
/// When the program was not built, or cannot be put there.
pub(super) fn install(host: &Host) -> Result<(), EnvironmentError> {
    let program = own_program()?.with_file_name(PROGRAM);
    if !program.is_file() {
        let what = format!("the program `{PROGRAM}` (cargo build --package esclusa-local)");
        return Err(EnvironmentError::NotSetUp { what });
    }
    let Some(place) = host.path("/root/bin") else { return Ok(()) };
    fs::create_dir_all(&place).map_err(io_at("make", &place))?;
    let place = place.join(PROGRAM);
    // A link costs nothing, where the state is on the same disk.
    let linked = fs::hard_link(&program, &place);
    linked.or_else(|_| fs::copy(&program, &place).map(drop)).map_err(io_at("write", &place))
}
