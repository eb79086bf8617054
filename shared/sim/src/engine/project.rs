//! The Compose projects that hosts have.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::host::{
    Condition, Definition, Dependency, NetworkDefinition, ONCE, ServiceDefinition,
};

/// The image of the sidecar, and of the database.
pub(super) const PROXY: &str = "proxy:1";
pub(super) const DATABASE: &str = "database:1";

/// The service that ends: `web` waits for it.
pub(super) const JOB: &str = "migrate";

/// What a project has beside the one container of `web`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a service of its own")]
pub struct Project {
    /// `web` has three containers.
    pub has_replicas: bool,
    /// A second service of the same image.
    pub has_worker: bool,
    /// A migration that ends before `web` begins.
    pub has_job: bool,
    /// A service of another image that uses the network of `web`.
    pub has_sidecar: bool,
    /// A service of another image that `web` waits for.
    pub has_dependency: bool,
    /// A service that runs once for a release.
    pub has_once: bool,
}

impl Project {
    /// The project of a seed; about half have one container.
    pub(crate) fn choose(random: &mut fastrand::Rng) -> Self {
        if random.bool() {
            return Self::default();
        }
        let mut has = || random.u8(0..5) < 2;
        let project = Self {
            has_replicas: has(),
            has_worker: has(),
            has_job: has(),
            has_sidecar: has(),
            has_dependency: has(),
            has_once: false,
        };
        // Compose shares the network of one container.
        Self { has_replicas: project.has_replicas && !project.has_sidecar, ..project }
    }

    /// What its files say.
    pub(super) fn define(self, name: &str, repository: &str) -> Definition {
        let own = || ServiceDefinition {
            image: format!("{repository}:latest"),
            is_active: true,
            replicas: 1,
            restarts_always: true,
            networks: BTreeSet::from(["default".to_owned()]),
            ..ServiceDefinition::default()
        };
        let waits = |condition| Dependency { condition, restarts: false };
        let mut web = own();
        let mut services = BTreeMap::new();
        if self.has_replicas {
            (web.replicas, web.replicas_are_given) = (3, true);
        }
        if self.has_worker {
            services.insert("worker".to_owned(), own());
        }
        if self.has_job {
            services.insert(JOB.to_owned(), ServiceDefinition { restarts_always: false, ..own() });
            web.dependencies.insert(JOB.to_owned(), waits(Condition::Completed));
        }
        if self.has_sidecar {
            let side = ServiceDefinition {
                image: PROXY.to_owned(),
                shares_with: BTreeSet::from(["web".to_owned()]),
                ..own()
            };
            services.insert("side".to_owned(), side);
        }
        if self.has_dependency {
            let database = ServiceDefinition { image: DATABASE.to_owned(), ..own() };
            services.insert("db".to_owned(), database);
            web.dependencies.insert("db".to_owned(), waits(Condition::Healthy));
        }
        if self.has_once {
            let (restarts_always, run_label) = (false, Some(ONCE.to_owned()));
            let prepare = ServiceDefinition { restarts_always, run_label, ..own() };
            services.insert("prepare".to_owned(), prepare);
        }
        services.insert("web".to_owned(), web);
        let network =
            NetworkDefinition { name: format!("{name}_default"), ..NetworkDefinition::default() };
        Definition {
            project: name.to_owned(),
            services,
            networks: BTreeMap::from([("default".to_owned(), network)]),
            ..Definition::default()
        }
    }
}
