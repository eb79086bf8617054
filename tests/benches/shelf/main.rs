//! What a plan of retention costs, as repositories grow: `make bench`.
//!
//! The function's own binary makes a plan over AWS's APIs as a server here plays them: a listing
//! that is made page by page, so that nothing but the function holds it. Two of three images are
//! parts of the third, as buildx pushes them. The first plan reads every index, the second none.

#[path = "../harness/mod.rs"]
mod harness;
mod registry;

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use harness::{Runtime, binary, environment, megabytes, next, resident};
use registry::{Calls, Registry};

/// Images in the repository, the first of which is the measure; the last is ECR's limit.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

const QUESTION: &str = r#"{"service":"acme/tickets","apply":false}"#;

/// What one plan cost.
struct Cost {
    calls: Calls,
    cpu: f64,
    resident: u64,
}

fn main() {
    println!(
        "images   plan    CPU s  us an image  x {}  resident MB  calls of ECR, of the rest",
        SIZES[0]
    );
    let mut measure: [Option<f64>; 2] = [None, None];
    for images in SIZES {
        match plans(images) {
            Ok(costs) => {
                for ((cost, name), first) in costs.iter().zip(["first", "again"]).zip(&mut measure)
                {
                    print(images, name, cost, first);
                }
            }
            Err(error) => {
                eprintln!("{images} images were not measured: {error}; `make build` first");
                std::process::exit(1);
            }
        }
    }
}

/// Two plans over one repository, one after the other, in one process.
fn plans(images: usize) -> io::Result<Vec<Cost>> {
    let runtime = Runtime::serve(QUESTION)?;
    let registry = Registry::serve(images)?;
    let mut child = Command::new(binary("retention"))
        .env_clear()
        .envs(environment(&format!("http://{}", registry.address)))
        .env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let measured = measure(&runtime, &registry, child.id());
    child.kill()?;
    child.wait()?;
    measured
}

fn measure(runtime: &Runtime, registry: &Registry, process: u32) -> io::Result<Vec<Cost>> {
    next(runtime)?;
    let mut costs = Vec::new();
    let mut before = cpu(process)?;
    for plan in 0..2 {
        let answer = next(runtime)?.1;
        if !answer.contains("\"ok\":true") {
            return Err(io::Error::other(answer));
        }
        let after = cpu(process)?;
        let (calls, resident) = (registry.calls(plan), resident(process)?);
        costs.push(Cost { calls, cpu: after - before, resident });
        before = after;
        next(runtime)?;
    }
    Ok(costs)
}

/// Seconds of processor time that a process has used so far, of its own and of the kernel's.
fn cpu(process: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|it| it.parse::<f64>().ok());
    // Fields 14 and 15, in hundredths of a second.
    let both = ticks(11).zip(ticks(12)).map(|(user, system)| (user + system) / 100.0);
    both.ok_or_else(|| io::Error::other("no processor time"))
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn print(images: usize, name: &str, cost: &Cost, first: &mut Option<f64>) {
    let each = cost.cpu * 1e6 / images as f64;
    // A hundredth of a second is the least that is told.
    let ratio = each / *first.get_or_insert(each.max(0.01 * 1e6 / images as f64));
    let (ecr, rest): (Vec<_>, Vec<_>) =
        cost.calls.iter().partition(|(name, _)| name.contains("Image") || name.contains("Policy"));
    let list = |calls: Vec<(&String, &usize)>| {
        let all: Vec<String> =
            calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
        all.join(", ")
    };
    println!(
        "{images:6} {name:6} {:8.2} {each:12.1} {ratio:7.2} {:12.1}  {}; {}",
        cost.cpu,
        megabytes(cost.resident),
        list(ecr),
        list(rest),
    );
}
