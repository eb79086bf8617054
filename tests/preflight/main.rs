//! Everything that `scripts/preflight` refuses, each seen once: on a machine that is made of
//! stand-ins for programs, `/proc` and limits. Nothing is installed, and it needs no root.

mod machine;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use esclusa_local::places::tested_checkout;
use machine::{Machine, Row};

const FINE: Row = Row { mode: "machine", programs: &[], gone: &[], variables: &[], refusal: "" };

/// A program that ends well and says this.
macro_rules! says {
    ($text:literal) => {
        concat!("#!/bin/sh\necho '", $text, "'\n")
    };
}

const FAILS: &str = "#!/bin/sh\nexit 1\n";

#[test]
fn a_machine_that_has_everything_is_not_refused() {
    for mode in ["build", "machine", "root"] {
        Machine::new("fine").expect(&Row { mode, ..FINE });
    }
}

#[test]
fn systems_and_users_are_refused_in_a_sentence_with_a_command() {
    let user = "#!/bin/sh\ncase $1 in -un) echo dev ;; *) echo 4242 ;; esac\n";
    for row in [
        Row { programs: &[("uname", says!("Darwin"))], refusal: "needs Linux", ..FINE },
        Row {
            programs: &[("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo riscv64\n")],
            refusal: "this machine is riscv64: use another machine",
            ..FINE
        },
        Row {
            programs: &[("findmnt", says!("rw,nosuid,noexec,relatime"))],
            refusal: "(mounted noexec): mv",
            ..FINE
        },
        Row {
            programs: &[("id", says!("0")), ("stat", says!("1000"))],
            variables: &[("SUDO_UID", "1000")],
            refusal: "and what it builds would be root's: run the same without",
            ..FINE
        },
        Row {
            programs: &[("id", user)],
            refusal: "is not user dev's, who could not replace it: sudo chown -R dev:",
            ..FINE
        },
        Row {
            programs: &[("id", user)],
            gone: &["sudo"],
            refusal: "there is no sudo, which namespaces and Docker need: su -c",
            ..FINE
        },
        Row {
            programs: &[("id", user), ("sudo", FAILS)],
            refusal: "user dev may not use sudo, which namespaces and Docker need: su -c",
            ..FINE
        },
    ] {
        Machine::new("users").expect(&row);
    }
}

#[test]
fn a_path_that_search_paths_cannot_hold_is_refused_and_any_other_is_not() {
    let refused = Row { refusal: "which search paths and scripts cannot hold: mv", ..FINE };
    Machine::new("a:colon").expect(&refused);
    Machine::new("a\"quote").expect(&refused);
    Machine::new("a$dollar").expect(&refused);
    Machine::new("a space, it's an ñ (and #more) 100% & so on").expect(&FINE);
}

#[test]
fn a_toolchain_that_is_missing_or_old_is_refused() {
    for row in [
        Row { gone: &["cargo"], refusal: "cargo is not on PATH: install Rust 1.", ..FINE },
        Row { programs: &[("cargo", FAILS)], refusal: "&& rustup toolchain install)", ..FINE },
        Row {
            programs: &[("cargo", says!("cargo 1.63.0 (fd9c4297c 2022-07-01)"))],
            refusal: "cargo 1.63.0 is older than 1.",
            ..FINE
        },
        Row { gone: &["cc"], refusal: "no C compiler (cc): sudo apt-get install gcc", ..FINE },
        Row { gone: &["git"], refusal: "there is no git: sudo apt-get install git", ..FINE },
        Row { gone: &["python3"], refusal: "no python3: sudo apt-get install python3", ..FINE },
        Row {
            programs: &[("python3", "#!/bin/sh\necho Python 3.9.2\n[ $1 = --version ]\n")],
            refusal: "Python 3.9.2 is older than 3.11",
            ..FINE
        },
    ] {
        Machine::new("toolchain").expect(&Row { mode: "build", ..row });
        Machine::new("toolchain").expect(&row);
    }
}

#[test]
fn too_little_memory_disk_or_loopback_is_refused() {
    for row in [
        Row {
            variables: &[("ESCLUSA_MEMORY_MIB", "999999999")],
            refusal: "MiB of memory are free, and 999999999 are needed: end what takes it",
            ..FINE
        },
        Row {
            variables: &[("ESCLUSA_DISK_MIB", "999999999")],
            refusal: "lies, and 999999999 are needed: make room",
            ..FINE
        },
        Row {
            variables: &[("ESCLUSA_STATE_DISK_MIB", "999999998"), ("ESCLUSA_STATE_HOME", "/a/b")],
            refusal: "MiB are free where /a/b lies, and 999999998 are needed",
            ..FINE
        },
        Row {
            variables: &[("ESCLUSA_LOOPBACK", "192.0.2.1")],
            refusal: "no port of 192.0.2.1 can be listened on: sudo ip link set lo up",
            ..FINE
        },
    ] {
        Machine::new("limits").expect(&row);
    }
}

#[test]
fn a_kernel_without_what_hosts_are_made_of_is_refused() {
    let machine = Machine::new("kernel");
    let proc = machine.make_proc();
    let with_proc = |refusal| Row { variables: &[], refusal, ..FINE };
    machine.expect_with(&with_proc(""), &[("ESCLUSA_PROC", &proc)]);
    machine.write("proc/sys/user/max_net_namespaces", "3\n");
    let few = with_proc("allows 3 network namespaces, and 8 are needed: sudo sysctl");
    machine.expect_with(&few, &[("ESCLUSA_PROC", &proc)]);
    machine.write("proc/filesystems", "nodev\ttmpfs\n\text4\n");
    let none = Row {
        programs: &[("modprobe", FAILS)],
        ..with_proc("has no overlay file system, which Docker needs: sudo modprobe overlay")
    };
    machine.expect_with(&none, &[("ESCLUSA_PROC", &proc)]);
    machine.remove("proc/self/ns/net");
    let none = with_proc("the kernel has no net namespaces");
    machine.expect_with(&none, &[("ESCLUSA_PROC", &proc)]);
}

#[test]
fn an_engine_that_is_none_is_refused() {
    let machine = Machine::new("engine");
    machine.link("docker", "snap/bin/docker");
    machine.expect(&Row { refusal: "Docker is a snap here", ..FINE });
    let machine = Machine::new("engine");
    machine.link("docker", "usr/bin/podman");
    machine.expect(&Row { refusal: "docker is Podman here", ..FINE });
}

#[test]
fn what_only_root_can_try_is_refused() {
    let fails_with = "#!/bin/sh\ncase \"$*\" in *";
    let veth = format!("{fails_with}veth*) exit 1 ;; esac\n");
    let nat = format!("{fails_with}nat*) exit 1 ;; esac\n");
    for (program, refusal) in [
        (FAILS, "not even root may make namespaces here"),
        (
            veth.as_str(),
            "the kernel makes no veth links, which lead to the hosts: sudo modprobe veth",
        ),
        (nat.as_str(), "iptables does not work with this kernel: sudo modprobe ip_tables"),
    ] {
        let programs = [("unshare", program)];
        Machine::new("root").expect(&Row { mode: "root", programs: &programs, refusal, ..FINE });
    }
}

#[test]
fn a_demo_that_is_running_is_refused() {
    let machine = Machine::new("running");
    let lock = machine.hold_demo_lock();
    machine.expect(&Row { mode: "root", refusal: "a demo of this checkout is running", ..FINE });
    drop(lock);
    machine.expect(&Row { mode: "root", ..FINE });
}

#[test]
fn setup_installs_nothing_when_something_is_refused() {
    let machine = Machine::new("setup");
    for (purpose, expected) in [
        ("machine", "setup: nothing was installed; what to do is said above"),
        ("chek", "setup: there is no purpose `chek`: scripts/setup [build | check | engine]"),
    ] {
        let said = machine.setup(purpose, &[("ESCLUSA_MEMORY_MIB", "999999999")]);
        assert!(said.contains(expected), "{said}");
    }
}

/// `sam build` has the layer made by a copy of its directory elsewhere, with the makefile's own
/// name.
#[test]
fn the_layer_of_host_programs_is_made_in_any_path() {
    let name = format!("esclusa-{} it's an ñ (and #more) 100% & so on", std::process::id());
    let checkout = std::env::temp_dir().join(name);
    let (hosts, scripts) = (checkout.join("hosts"), checkout.join("scripts"));
    fs::create_dir_all(&hosts).unwrap();
    fs::create_dir_all(&scripts).unwrap();
    fs::copy(tested_checkout().join("hosts/Makefile"), hosts.join("Makefile")).unwrap();
    let programs = scripts.join("programs");
    fs::write(&programs, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    fs::set_permissions(&programs, fs::Permissions::from_mode(0o755)).unwrap();
    let artifacts = checkout.join("target");
    let mut make = Command::new("make");
    make.args(["--silent", "build-HostPrograms", "--makefile"]).arg(hosts.join("Makefile"));
    let output = make.env("ARTIFACTS_DIR", &artifacts).current_dir("/").output().unwrap();
    fs::remove_dir_all(&checkout).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, format!("--all\n{}\n", artifacts.display()), "{failed}");
}
