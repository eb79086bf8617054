//! What `template.yaml` promises: roles that may do what they must and no more, rules that pass on
//! what they should, documents that let nothing else in.
//!
//! Needs root and the built functions (`make build`).

mod calls;
mod documents;
mod granted;
mod patterns;
mod refused;

use std::path::Path;

use esclusa_local::environment::{Environment, Options, Service, down};

use calls::Callers;

const SERVICE: &str = "acme/tickets";

/// The functions, with the roles of the stack that they run as.
const FUNCTIONS: [(&str, &str); 4] = [
    ("metrics", "MetricsRole"),
    ("operator", "OperatorRole"),
    ("retention", "RetentionRole"),
    ("rollout", "RolloutRole"),
];

/// Where things are, for an environment of this test's own.
fn options() -> Options {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Options::new(root, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("template"))
}

/// One environment for all that needs the stack, deployed as it is and with IAM on: to start one
/// takes longer than most of the tests.
#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_template_keeps_its_promises() {
    let services = vec![Service::parse(SERVICE).unwrap()];
    let options = Options { services, hosts: 1, ..options() };
    down(&options.state).unwrap();
    let environment = Environment::up(options).await.unwrap();
    let tested = tokio::spawn({
        let environment = environment.clone();
        async move {
            let callers = Callers::of(&environment, &FUNCTIONS.map(|(_, role)| role)).await;
            refused::each_role_is_refused_what_it_need_not_do(&environment, &callers).await;
            patterns::each_rule_passes_on_exactly_what_it_should(&callers);
            documents::nothing_but_values_gets_through(&callers);
        }
    });
    let ended = tested.await;
    environment.down().await.unwrap();
    ended.unwrap();
}
