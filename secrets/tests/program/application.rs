//! The application takes this program's place: its exit code, its signals, its process.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::http::silence;
use crate::world::{Ended, World, bare, create};

fn send(signal: Signal, pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

fn lines_of(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap)
}

#[test]
fn without_references_nothing_is_called() {
    let world = World::new();
    let ended = world.exec("echo $A; exit 7", &[("A", "plain")]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "plain\n"));
    assert!(ended.stderr.is_empty() && world.calls().is_empty());
}

#[test]
fn the_exit_code_is_the_applications() {
    let world = World::new();
    create("exit/a", "a");
    let variables = [("A", "secretsmanager:exit/a")];
    assert_eq!(world.exec("exit 42", &variables).code, Some(42));
    let mut program = world.program(&["exec", "--", "sh", "-c", "kill -9 $$"], &variables);
    assert_eq!(program.status().unwrap().signal(), Some(9));
}

#[test]
fn signals_reach_the_application_itself() {
    let world = World::new();
    create("signals/a", "a");
    let script = "trap 'exit 42' TERM; echo $$; while :; do sleep 0.05; done";
    let mut program =
        world.program(&["exec", "--", "sh", "-c", script], &[("A", "secretsmanager:signals/a")]);
    let mut child = program.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = lines_of(&mut child);
    assert_eq!(lines.next(), Some(child.id().to_string()), "it is the same process");
    send(Signal::SIGTERM, child.id());
    assert_eq!(child.wait().unwrap().code(), Some(42));
}

#[test]
fn default_actions_are_in_force_in_the_application() {
    let world = World::new();
    create("default/a", "a");
    let mut program = world.program(
        &["exec", "--", "sh", "-c", "echo up; exec sleep 60"],
        &[("A", "secretsmanager:default/a?as=env")],
    );
    let mut child = program.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(lines_of(&mut child).next().as_deref(), Some("up"));
    send(Signal::SIGTERM, child.id());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn the_application_inherits_nothing_of_ours() {
    let world = World::new();
    create("inherit/a", "a");
    let script =
        "ls /proc/self/fd | tr '\\n' ' '; exec grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status";
    let with = world.exec(script, &[("A", "secretsmanager:inherit/a")]);
    let without =
        Ended::of(Command::new("sh").args(["-c", script]).stdin(Stdio::null()).output().unwrap());
    assert_eq!(with.stdout, without.stdout);
}

#[test]
fn what_is_ignored_stays_ignored() {
    let world = World::new();
    create("ignored/a", "a");
    let script = "trap '' HUP QUIT; A=secretsmanager:ignored/a exec \"$0\" exec -- \
                  sed -n 's/^SigIgn:.//p' /proc/self/status";
    let program = world.program(&[], &[]).get_program().to_str().unwrap().to_owned();
    let arguments = ["exec", "--", "sh", "-c", script, &program];
    let ended = Ended::of(world.program(&arguments, &[]).output().unwrap());
    let ignored = u64::from_str_radix(ended.stdout.trim(), 16);
    let ignored = ignored.unwrap_or_else(|_| panic!("{} {}", ended.stdout, ended.stderr));
    let (hangup, quit) = (0b1, 0b100);
    assert_eq!(ignored & (hangup | quit), hangup | quit, "{}", ended.stdout);
}

/// The best of some runs: what the machine does beside them counts for nothing.
fn fastest(mut run: impl FnMut() -> Duration) -> Duration {
    (0..20).map(|_| run()).min().unwrap()
}

#[test]
#[ignore = "measures, and judges nothing: make bench"]
fn what_a_start_costs_beside_its_calls() {
    let world = World::new();
    create("fast/a", "a");
    create("fast/b", "b");
    let timed = |mut command: Command| {
        let started = Instant::now();
        assert!(command.status().unwrap().success());
        started.elapsed()
    };
    let itself = fastest(|| timed(Command::new("/bin/true")));
    let idle = fastest(|| timed(world.program(&["exec", "--", "/bin/true"], &[])));
    let busy = fastest(|| {
        let before = world.relay.time();
        let variables = [("A", "secretsmanager:fast/a"), ("B", "secretsmanager:fast/b")];
        let all = timed(world.program(&["exec", "--", "/bin/true"], &variables));
        all.saturating_sub(world.relay.time().saturating_sub(before))
    });
    eprintln!("itself {itself:?}, without references {idle:?}, with references {busy:?}");
}

/// The program with an AWS that never answers.
fn waiting(wrapper: &[&str]) -> Command {
    let program = bare(&[]).get_program().to_owned();
    let mut words = wrapper.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .args(["exec", "--", "true"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .env("AWS_REGION", "eu-south-1")
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", silence()))
        .env("A", "secretsmanager:a?as=env");
    command
}

/// Waits until a process handles SIGTERM.
fn wait_for_handler(pid: u32) {
    let started = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
        let caught = caught.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        if caught & (1 << 14) != 0 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "no handler: {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_ends_it_while_it_fetches() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGQUIT, 131)] {
        // Whatever runs these tests may have been told to ignore them.
        let mut child = waiting(&["env", "--default-signal"]).spawn().unwrap();
        wait_for_handler(child.id());
        let sent = Instant::now();
        send(signal, child.id());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    }
}

#[test]
fn a_signal_ends_it_as_the_first_process_of_a_container() {
    if !nix::unistd::getuid().is_root() {
        eprintln!("left out: only root can make a namespace of processes");
        return;
    }
    let mut unshare = waiting(&["unshare", "--pid", "--fork"]).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    let first = loop {
        let text = std::fs::read_to_string(&children).unwrap();
        if let Ok(pid) = text.trim().parse() {
            break pid;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    wait_for_handler(first);
    send(Signal::SIGTERM, first);
    assert_eq!(unshare.wait().unwrap().code(), Some(143));
}

#[test]
fn an_application_that_cannot_run_has_the_codes_of_a_shell() {
    let world = World::new();
    create("run/a", "a");
    for (command, code, reason) in [
        ("/nowhere", 127, "cannot run `/nowhere`: No such file"),
        ("not-on-path", 127, "is it in the image and on PATH"),
        ("/etc/passwd", 126, "is it executable for this user?"),
    ] {
        for variables in [&[][..], &[("A", "secretsmanager:run/a")][..]] {
            let mut program = world.program(&["exec", "--", command], variables);
            let ended = Ended::of(program.output().unwrap());
            assert_eq!(ended.code, Some(code), "{ended:?}");
            assert!(ended.stderr.contains(reason), "{ended:?}");
            // The secret of an application that does not run is needed no longer.
            assert!(!world.directory.join("A").exists());
        }
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_another_code() {
    for arguments in [&[][..], &["exec"], &["exec", "--"], &["run"], &["check", "--deadline", "x"]]
    {
        let ended = Ended::of(bare(arguments).output().unwrap());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{ended:?}");
    }
    for (arguments, part) in [(["--help"], "Exit codes"), (["--version"], "esclusa-secrets 0")] {
        let ended = Ended::of(bare(&arguments).output().unwrap());
        assert!(ended.code == Some(0) && ended.stdout.contains(part), "{ended:?}");
    }
}
