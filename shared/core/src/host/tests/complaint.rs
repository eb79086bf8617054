//! What stopped a tool, out of all that it wrote.

use super::super::complaint::{explain_pull, find_cause, shorten};
use super::world::compare;

type Row = (&'static str, &'static str, &'static str);

const WARNINGS: &[Row] = &[
    (
        "R4: a schema error beside two unset variables",
        "time=\"2026-11-28T10:00:00Z\" level=warning msg=\"The \\\"A\\\" variable is not set. \
         Defaulting \
         to a blank string.\"\ntime=\"2026-11-28T10:00:00Z\" level=warning msg=\"The \\\"B\\\" \
         variable \
         is not set. Defaulting to a blank string.\"\nvalidating /srv/shop/compose.yaml: \
         services.web.ports must be a array\n",
        "validating /srv/shop/compose.yaml: services.web.ports must be a array",
    ),
    (
        "older Compose says `list`, and warns in capitals",
        "WARN[0000] The \"A\" variable is not set. Defaulting to a blank string. \n\
         services.web.ports must be a list\n",
        "services.web.ports must be a list",
    ),
    (
        "the warning about `version` is no cause",
        "time=\"2026-11-28T10:00:00Z\" level=warning msg=\"/srv/shop/compose.yaml: the attribute \
         `version` is obsolete\"\nyaml: line 3: found character that cannot start any token\n",
        "yaml: line 3: found character that cannot start any token",
    ),
    (
        "a warning of the engine's client about its configuration",
        "WARNING: Error loading config file: /root/.docker/config.json: permission denied\n\
         no such service: web\n",
        "no such service: web",
    ),
    (
        "debugging and information are no causes",
        "time=\"2026-11-28T10:00:00Z\" level=debug msg=\"otel error\"\n\
         time=\"2026-11-28T10:00:00Z\" level=info msg=\"x\"\nno such service: web\n\
         time=\"2026-11-28T10:00:00Z\" level=info msg=\"bye\"\n",
        "no such service: web",
    ),
    ("nothing at all", "", "it wrote no reason"),
    (
        "nothing but warnings and progress",
        "WARN[0000] x\n Container shop-web-1  Creating\n\n",
        "it wrote no reason",
    ),
];

const PROGRESS: &[Row] = &[
    (
        "R4: a migration that exits with 1 (Compose 2.26)",
        " Container shop-migrate-1  Started\n Container shop-migrate-1  Waiting\n\
         service \"migrate\" didn't complete successfully: exit 1\n",
        "service \"migrate\" didn't complete successfully: exit 1",
    ),
    (
        "R4: a migration that exits with 1 (Compose 2.40)",
        " Network shop_default  Creating\n Network shop_default  Created\n \
         Container shop-migrate-1  Error\n\
         service \"migrate\" didn't complete successfully: exit 1\n",
        "service \"migrate\" didn't complete successfully: exit 1",
    ),
    (
        "R4: a taken port (Docker 20.10)",
        " Container shop-web-1  Starting\nError response from daemon: driver failed programming \
         external connectivity on endpoint shop-web-1 (f00): Bind for 0.0.0.0:80 failed: port is \
         already allocated\n",
        "Error response from daemon: driver failed programming external connectivity on endpoint \
         shop-web-1 (f00): Bind for 0.0.0.0:80 failed: port is already allocated",
    ),
    (
        "R4: a taken port (Docker 28)",
        " Container shop-web-1  Starting\n Container shop-web-1  Error response from daemon: \
         failed to \
         set up container networking: driver failed programming external connectivity on endpoint \
         shop-web-1 (f00): Bind for 0.0.0.0:80 failed: port is already allocated\n",
        "Container shop-web-1  Error response from daemon: failed to set up container networking: \
         driver failed programming external connectivity on endpoint shop-web-1 (f00): Bind for \
         0.0.0.0:80 failed: port is already allocated",
    ),
    (
        "progress after the cause",
        "Error response from daemon: no such image: shop:1\n Container shop-db-1  Running\n",
        "Error response from daemon: no such image: shop:1",
    ),
    (
        "a dependency that is not healthy",
        " Container shop-db-1  Waiting\n Container shop-db-1  Error\n\
         dependency failed to start: container shop-db-1 is unhealthy\n",
        "dependency failed to start: container shop-db-1 is unhealthy",
    ),
    (
        "ticks, crosses and counts",
        "[+] Running 1/2\n ✔ Network shop_default  Created  0.1s\n ✘ Container shop-web-1  Error  \
         2.0s\n\
         Error response from daemon: OCI runtime create failed: exec: \"x\": not found\n",
        "Error response from daemon: OCI runtime create failed: exec: \"x\": not found",
    ),
    (
        "colours",
        "\u{1b}[31m ✘ \u{1b}[0mContainer shop-web-1  \u{1b}[31mError\u{1b}[0m\n\
         \u{1b}[31mno space left on device\u{1b}[0m\n",
        "no space left on device",
    ),
    (
        "lines that are written over each other",
        " web Pulling \r web Error \rError response from daemon: manifest unknown\r\n",
        "Error response from daemon: manifest unknown",
    ),
    (
        "a pull's progress",
        " web Pulling \n f00 Downloading\n f00 Download complete\n f00 Pull complete\n web Error \n\
         Error response from daemon: manifest for shop:9 not found: manifest unknown: manifest \
         unknown\n",
        "Error response from daemon: manifest for shop:9 not found: manifest unknown: manifest \
         unknown",
    ),
    (
        "a dry run",
        "DRY-RUN MODE -  Container shop-web-1  Creating\nno such service: x\n",
        "no such service: x",
    ),
    (
        "a whole sentence about a network is a cause",
        "Network shop_edge declared as external, but could not be found\n",
        "Network shop_edge declared as external, but could not be found",
    ),
];

const SENTENCES: &[Row] = &[
    (
        "a heading and what comes below it",
        "1 error(s) decoding:\n\n* error decoding 'ports': invalid port\n",
        "1 error(s) decoding: * error decoding 'ports': invalid port",
    ),
    (
        "the message of a structured line",
        "time=\"2026-11-28T10:00:00Z\" level=fatal msg=\"open \\\"/x\\\": no such file\"\n",
        "open \"/x\": no such file",
    ),
    (
        "the message of a structured line, without what comes after it",
        "time=\"2026-11-28T10:00:00Z\" level=error msg=\"cannot connect\" error=\"EOF\" retry=3\n",
        "cannot connect",
    ),
    (
        "a message of one word",
        "time=\"2026-11-28T10:00:00Z\" level=error msg=canceled\n",
        "canceled",
    ),
    (
        "a message of several lines",
        "time=\"x\" level=error msg=\"first\\nsecond\"\n",
        "first second",
    ),
    (
        "where to find help is no cause",
        "unknown flag: --foo\nSee 'docker compose --help'.\n",
        "unknown flag: --foo",
    ),
    (
        "newer tools say it otherwise",
        "unknown flag: --foo\n\nUsage:  docker compose up [OPTIONS] [SERVICE...]\n\n\
         Run 'docker compose up --help' for more information\n",
        "unknown flag: --foo",
    ),
    ("the last of two causes", "first: a\nsecond: b\n", "second: b"),
    ("lines that end as on Windows", "no such service: x\r\n", "no such service: x"),
];

#[test]
fn the_last_cause_is_found_among_warnings_and_progress() {
    for rows in [WARNINGS, PROGRESS, SENTENCES] {
        compare(rows.iter().map(|(row, text, expected)| (*row, find_cause(text), *expected)));
    }
}

const LONG: &str = "Error response from daemon: failed to resolve reference \
    \"1.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:\
    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\": \
    1.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:\
    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: not found";

const PULLS: &[Row] = &[
    ("R5: containerd's store says it at the end of a long line", LONG, "release.not_in_registry"),
    (
        "R5: the older store",
        "manifest for shop@sha256:b not found: manifest unknown: Requested image not found",
        "release.not_in_registry",
    ),
    ("R5: a plain registry", "manifest unknown: manifest unknown", "release.not_in_registry"),
    (
        "a repository that is not there",
        "name unknown: The repository with name 'shop' does not exist in the registry",
        "release.not_in_registry",
    ),
    (
        "the older store when the disk is full",
        "failed to register layer: write /app/x: no space left on device",
        "hosts.disk",
    ),
    (
        "containerd's store when the disk is full",
        "failed to extract layer sha256:1: write /var/lib/containerd/x: No space left on device: \
         unknown",
        "hosts.disk",
    ),
    ("a quota", "write /var/lib/docker/tmp/x: disk quota exceeded", "hosts.disk"),
    (
        "a login that has ended",
        "denied: Your authorization token has expired. Reauthenticate and try again.",
        "hosts.registry",
    ),
    ("no login", "no basic auth credentials", "hosts.registry"),
    (
        "a helper for logins that is not there",
        "error getting credentials - err: exec: \"docker-credential-ecr-login\": executable file \
         not \
         found in $PATH, out: ``",
        "hosts.registry",
    ),
    (
        "a server of tokens that is not there",
        "failed to fetch oauth token: unexpected status from GET request: 404 Not Found",
        "hosts.registry",
    ),
    (
        "a registry that is not reached",
        "Get \"https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/\": dial tcp: i/o timeout",
        "hosts.registry",
    ),
    (
        "a name that leads nowhere",
        "dial tcp: lookup registry.example: no such host",
        "hosts.registry",
    ),
    (
        "a prune beside a pull takes its lease away",
        "unable to lease content: lease does not exist: not found",
        "hosts.registry",
    ),
    (
        "a prune beside a pull takes a layer away",
        "NotFound: content digest sha256:1: not found",
        "hosts.registry",
    ),
    (
        "a prune beside a pull takes a manifest away",
        "failed commit on ref \"manifest-sha256:1\": commit failed: rename /var/lib/containerd/x: \
         no such file or directory",
        "hosts.registry",
    ),
    ("too many pulls", "toomanyrequests: You have reached your pull rate limit.", "hosts.registry"),
];

#[test]
fn what_stopped_a_pull_is_decided_on_the_whole_text() {
    let explain = |text| explain_pull("shop@sha256:b", text).code.to_string();
    compare(PULLS.iter().map(|(row, text, expected)| (*row, explain(text), *expected)));
}

#[test]
fn a_sentence_is_cut_in_its_middle() {
    for (text, longest, expected) in [
        ("short", 10, "short"),
        ("exactly 10", 10, "exactly 10"),
        ("The pull of shop failed: no space left", 24, "The pull … no space left"),
        ("äöüäöüäöüäöü", 9, "äöü … äöü"),
        ("two\nlines", 20, "two lines"),
        ("a\u{1b}[31mb", 20, "a [31mb"),
        ("abcdef", 3, "a … f"),
    ] {
        let cut = shorten(text, longest);
        let count = cut.chars().count();
        assert!(longest < 4 || count <= longest, "{text:?}: {count} characters");
        if longest >= 4 {
            assert_eq!(cut, expected, "cutting {text:?} to {longest}");
        }
    }
}
