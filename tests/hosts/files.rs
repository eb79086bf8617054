//! The team's files: which count, and that they stay as they are.

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("an .env with COMPOSE_FILE keeps its files and its other lines", listed_files),
    ("the default override file is not lost to the pin", default_override),
    ("Compose files in a subdirectory are found", subdirectory),
    ("a name in the Compose file is the project's", named_project),
    ("a repository whose name needs encoding has its own directory and project", encoding),
    ("a Compose file can come with the image, and goes back with it", shipped),
    ("one that asks for more than its containers is refused, unless that is allowed", asking),
    ("one takes the place of the host's own where nothing else changes", taking_over),
    ("a missing Compose file is named", missing_file),
    ("a Compose file that does not use the image is named", other_image),
    ("a Compose file that cannot be read is named", broken_file),
    ("a variable in COMPOSE_FILE counts as Compose reads it", variable_in_list),
];

const WEB: &str = "services:\n  web: {image: IMAGE, restart: always}\n";
const LABEL: &str = "{{index .Config.Labels \"here\"}}";

fn listed_files(world: &World) {
    let service = Service::bare(world, "files/listed");
    service.write("base.yml", WEB);
    service.write("extra.yml", "services:\n  web: {labels: {here: 'extra $SPICE'}}\n");
    service.write("compose.yaml", "services: {}\n");
    let mine = "# ours\nSPICE=salt\nexport COMPOSE_FILE=\"base.yml:extra.yml\"  # both\nLAST='a b'";
    service.write(".env", mine);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.roll_out(&second, "1.2");
    assert_eq!(service.container("web", LABEL), "extra salt");
    let project = &service.project;
    assert_eq!(
        service.read(".env"),
        format!(
            "# ours\nSPICE=salt\nCOMPOSE_FILE=base.yml:extra.yml:esclusa.release.yaml\nLAST='a b'\n\
             COMPOSE_PROJECT_NAME={project}\n"
        )
    );
    service.activate("none", "1.3").expect("ok", 0);
    assert!(service.read(".env").contains("\nCOMPOSE_FILE=base.yml:extra.yml\n"));
}

fn default_override(world: &World) {
    let service = Service::bare(world, "files/override");
    service.write("docker-compose.yml", WEB);
    service.write("docker-compose.override.yml", "services: {web: {labels: {here: override}}}\n");
    let image = service.push("idle1", "v1");
    service.roll_out(&image, "1.1");
    assert_eq!(service.container("web", LABEL), "override");
}

fn subdirectory(world: &World) {
    let service = Service::bare(world, "files/below");
    service.write("deploy/compose.yaml", &format!("{WEB}    \n"));
    service.write(".env", "COMPOSE_FILE=deploy/compose.yaml\n");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.roll_out(&second, "1.2");
    assert_eq!(service.containers(), [format!("{}-web-1", service.project)]);
}

fn named_project(world: &World) {
    let service = Service::bare(world, "files/named");
    service.write("compose.yaml", &format!("name: teams-own-name\n{WEB}"));
    let image = service.push("idle1", "v1");
    let answer = service.roll_out(&image, "1.1");
    assert_eq!(answer.text("project"), "teams-own-name");
    assert_eq!(world.run(&["docker", "inspect", "--format", "up", "teams-own-name-web-1"]), "up\n");
}

fn encoding(world: &World) {
    let nested = Service::new(world, "a.b/c_d/e-f", "  web: {image: IMAGE, restart: always}\n");
    let flat = Service::new(world, "a/b", "  web: {image: IMAGE, restart: always}\n");
    assert_eq!(nested.project, "a__b--c_d--e-f");
    let (one, other) = (nested.push("idle1", "v1"), flat.push("idle2", "v1"));
    nested.roll_out(&one, "1.1");
    flat.roll_out(&other, "1.1");
    nested.inspect().expect("ok", 0).runs(&one);
    assert_eq!(nested.containers(), ["a__b--c_d--e-f-web-1"]);
}

fn shipped(world: &World) {
    let service = Service::bare(world, "files/shipped");
    service.write(".env", "HERE=IMAGE\n");
    let told = |verb: &str, image: &str, fence: &str| {
        service.order(verb, image, fence).with("Compose", "image").run()
    };
    let plain = service.push("idle1", "v0");
    let refused = told("prefetch", &plain, "1.1");
    refused.expect("hosts.compose", 11).warns("no label esclusa.compose");
    let (good, sick) = (service.push("shipping1", "v1"), service.push("shipping2", "v2"));
    told("prefetch", &good, "1.2").expect("ok", 0);
    assert!(!service.path("esclusa.compose.yaml").exists(), "a prefetch changes nothing");
    told("activate", &good, "1.2").expect("ok", 0).runs(&good);
    assert_eq!(service.container("web", LABEL), "shipping1");
    told("prefetch", &sick, "1.3").expect("ok", 0);
    told("activate", &sick, "1.3").expect("health.container", 13).restored("yes").runs(&good);
    assert_eq!(service.container("web", LABEL), "shipping1");
    assert!(service.read("esclusa.compose.yaml").contains("shipping1"));
    service.inspect().expect("ok", 0).runs(&good);
}

fn asking(world: &World) {
    let service = Service::bare(world, "files/asking");
    service.write(".env", "HERE=IMAGE\n");
    let told = |verb: &str, image: &str, fence: &str, allow: &str| {
        service.order(verb, image, fence).with("Compose", "image").with("Allow", allow).run()
    };
    let (good, asking) = (service.push("shipping1", "v1"), service.push("asking1", "v2"));
    told("prefetch", &good, "1.1", "").expect("ok", 0);
    told("activate", &good, "1.1", "").expect("ok", 0).runs(&good);
    let refused = told("prefetch", &asking, "1.2", "privileged+cap_add=SYS_ADMIN");
    refused.expect("hosts.compose", 11).says("line 1, services.web.cap_add: NET_ADMIN");
    refused.says("compose_allow = [\"cap_add=NET_ADMIN\"]");
    told("activate", &asking, "1.3", "").expect("hosts.compose", 11).runs(&good);
    assert_eq!(service.container("web", LABEL), "shipping1");
    told("prefetch", &asking, "1.4", "cap_add=NET_ADMIN").expect("ok", 0);
    told("activate", &asking, "1.4", "cap_add=NET_ADMIN").expect("ok", 0).runs(&asking);
    let given = service.container("web", "{{.HostConfig.CapAdd}}");
    assert!(given.contains("NET_ADMIN"), "{given}");
    // What ran before is gone back to, whatever is allowed by then.
    let sick = service.push("shipping2", "v3");
    told("prefetch", &sick, "1.5", "").expect("ok", 0);
    told("activate", &sick, "1.5", "").expect("health.container", 13).restored("yes").runs(&asking);
}

fn taking_over(world: &World) {
    let service = Service::bare(world, "files/over");
    service.write(".env", "HERE=IMAGE\nCOMPOSE_FILE=prod.yml:compose.override.yaml\n");
    let own = "services:\n  web: {image: IMAGE, restart: always, environment: {DATABASE: ours}}\n";
    service.write("prod.yml", own);
    service.write("compose.override.yaml", "services: {web: {labels: {here: host}}}\n");
    let told = |verb: &str, image: &str, fence: &str, compose: &str| {
        service.order(verb, image, fence).with("Compose", compose).run()
    };
    let variables = || service.container("web", "{{.Config.Env}}");
    let (plain, shipping) = (service.push("idle1", "v0"), service.push("shipping1", "v1"));
    // An image without one leaves the host's own in use, and nothing is said of it.
    let ready = told("prefetch", &plain, "1.1", "auto");
    let expected = ["No HEALTHCHECK for web: only that it goes on running will be checked."];
    assert_eq!(ready.expect("ok", 0).value["warnings"], serde_json::json!(expected));
    told("activate", &plain, "1.1", "auto").expect("ok", 0).runs(&plain);
    let refused = told("prefetch", &shipping, "1.2", "auto");
    refused
        .expect("hosts.compose", 11)
        .says("differ in services.web.environment: it would replace");
    told("activate", &shipping, "1.3", "auto").expect("hosts.compose", 11).runs(&plain);
    assert!(variables().contains("DATABASE=ours"));
    // What the override says counts beside both: so the image's file may come.
    let stays = "restart: always, environment: {DATABASE: ours}, labels: {here: host}";
    service.write("compose.override.yaml", &format!("services: {{web: {{{stays}}}}}\n"));
    told("prefetch", &shipping, "1.4", "auto").expect("ok", 0);
    told("activate", &shipping, "1.4", "auto").expect("ok", 0).runs(&shipping);
    assert!(variables().contains("DATABASE=ours"));
    let files = "esclusa.compose.yaml:compose.override.yaml:esclusa.release.yaml";
    assert!(service.read(".env").contains(&format!("COMPOSE_FILE={files}\n")));
    let seen = service.inspect();
    assert_eq!(seen.expect("ok", 0).runs(&shipping).value["warnings"], serde_json::json!([]));
    // From now on the images' files are what changes; one that brings none is told of.
    told("prefetch", &plain, "1.5", "auto").expect("ok", 0).warns("no label esclusa.compose");
    service.write("compose.override.yaml", "services: {web: {labels: {here: again}}}\n");
    let next = service.push("asking1", "v2");
    let allowed = service.order("prefetch", &next, "1.6").with("Compose", "auto");
    allowed.with("Allow", "cap_add=NET_ADMIN").run().expect("ok", 0);
    // The way back leads to the files that the team had listed.
    told("prefetch", &plain, "1.7", "host").expect("ok", 0);
    told("activate", &plain, "1.7", "host").expect("ok", 0).runs(&plain);
    let files = "prod.yml:compose.override.yaml:esclusa.release.yaml";
    assert!(service.read(".env").contains(&format!("COMPOSE_FILE={files}\n")));
    assert!(!service.path("esclusa.compose.yaml").exists());
    assert!(variables().contains("DATABASE=ours"));
    assert_eq!(service.container("web", LABEL), "again");
}

fn missing_file(world: &World) {
    let service = Service::bare(world, "files/missing");
    let image = service.push("idle1", "v1");
    let answer = service.prefetch(&image, "1.1");
    answer.expect("hosts.compose", 11).says("no Compose file in /srv/files--missing");
    service.inspect().expect("ok", 0).warns("no Compose file").runs("none");
}

fn other_image(world: &World) {
    let service = Service::new(world, "files/other", "  web: {image: 'IMAGE-not:latest'}\n");
    let image = service.push("idle1", "v1");
    service.prefetch(&image, "1.1").expect("hosts.compose", 11).says("uses the image 127.0.0.1");
}

fn broken_file(world: &World) {
    let service =
        Service::new(world, "files/broken", "  web: {image: IMAGE, restart: '${WHEN:?unset}'}\n");
    let image = service.push("idle1", "v1");
    service.prefetch(&image, "1.1").expect("hosts.compose", 11).says("WHEN");
}

fn variable_in_list(world: &World) {
    let service = Service::bare(world, "files/variable");
    service.write("parts/compose.yaml", WEB);
    service.write(".env", "COMPOSE_FILE=${BASE}/compose.yaml\n");
    let image = service.push("idle1", "v1");
    service
        .prefetch(&image, "1.1")
        .expect("hosts.compose", 11)
        .says("/compose.yaml does not exist");
    service.write(".env", "BASE=parts\nCOMPOSE_FILE=${BASE}/compose.yaml\n");
    service.roll_out(&image, "1.2");
}
