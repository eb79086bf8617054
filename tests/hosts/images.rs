//! The images that the rows roll out: BusyBox and a little script, made without a base image.

use esclusa_local::host::{Host, Limits};

/// Goes on running and is not checked: what most rows need, and the cheapest.
pub(crate) const IDLE: [&str; 5] = ["idle1", "idle2", "idle3", "idle4", "idle5"];

const PROBE: &str = "HEALTHCHECK --interval=1s --timeout=2s --retries=2 \
                     CMD /bin/busybox wget -qO- http://127.0.0.1:80/";
const PATIENT: &str = "HEALTHCHECK --interval=1s --timeout=2s --retries=2 --start-period=20s \
                       CMD /bin/busybox wget -qO- http://127.0.0.1:80/";
const SERVE: &str = "b=/bin/busybox; $b mkdir -p /www; echo $VERSION >/www/index.html; \
                     trap 'exit 0' TERM; $b httpd -f -h /www & wait";
const WAIT: &str = "trap 'exit 0' TERM; /bin/busybox sleep 100000 & wait";

const SLOW: &str = "b=/bin/busybox; trap 'exit 0' TERM; $b sleep 6; $b mkdir /www; \
                    echo up >/www/index.html; $b httpd -f -h /www & wait";

/// Name, healthcheck, script. `web` answers on port 80 with its version.
const KINDS: [(&str, &str, &str); 16] = [
    ("sick", PROBE, WAIT),
    ("crash", "", "/bin/busybox sleep 0.2; exit 3"),
    ("web1", PROBE, SERVE),
    ("web2", PROBE, SERVE),
    ("job1", "", "exit 0"),
    ("job2", "", "exit 0"),
    ("slow", PATIENT, SLOW),
    ("shipping1", "", WAIT),
    ("shipping2", PROBE, WAIT),
    ("asking1", "", WAIT),
    ("preparing1", "", WAIT),
    ("oneway", "", WAIT),
    ("unclear", "", WAIT),
    ("usage", PROBE, "echo 'usage: server PORT'; exit 0"),
    ("assets1", "", WAIT),
    ("assets2", "", WAIT),
];

/// What each kind's image says about itself.
fn label(name: &str) -> &'static str {
    match name {
        "shipping1" | "shipping2" | "asking1" | "preparing1" => {
            "LABEL esclusa.compose=/compose.yaml"
        }
        "oneway" => "LABEL esclusa.rollback=unsafe",
        "assets1" | "assets2" => "VOLUME /assets",
        "unclear" => "LABEL esclusa.rollback=Unsafe",
        _ => "",
    }
}

/// Makes every image in a host's engine, under its own name.
pub(crate) fn make(host: &Host) {
    for name in IDLE {
        import(host, name, "", WAIT);
    }
    for (name, check, script) in KINDS {
        import(host, name, check, script);
    }
}

/// Makes one image that no registry knows, for services that are not Esclusa's.
pub(crate) fn make_plain(host: &Host) {
    import(host, "other", "", WAIT);
}

fn busybox() -> &'static str {
    let found = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|it| is_static(it));
    found.expect("busybox-static is not installed: run scripts/setup")
}

fn is_static(path: &str) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    !bytes.is_empty() && !bytes.windows(9).take(4096).any(|it| it == b"ld-linux-")
}

fn import(host: &Host, name: &str, check: &str, script: &str) {
    let build = r#"set -euo pipefail
        root=$(mktemp -d); mkdir -p "$root/bin"; cp "$1" "$root/bin/busybox"; cp "$1" "$root/bin/sh"
        asks=; [[ $2 != asking* ]] || asks=', cap_add: [NET_ADMIN]'
        once='migrate: {image: "${HERE}", command: ["echo ran >>/out/ran"],
            volumes: ["./out:/out"], labels: {esclusa.run: once}}'
        [[ $2 == preparing* ]] || once=
        printf 'services: {web: {image: "${HERE}", labels: {here: "%s"}%s}, %s}' \
            "$2" "$asks" "$once" >"$root/compose.yaml"
        changes=(--change "ENV VERSION=$2")
        changes+=(--change "ENTRYPOINT [\"/bin/busybox\", \"sh\", \"-c\"]")
        changes+=(--change "CMD [$(jq --null-input --arg it "$4" '$it')]")
        for more in "$3" "$5"; do [[ -z $more ]] || changes+=(--change "$more"); done
        tar -C "$root" -c . | docker import "${changes[@]}" - "esclusa-test/$2"; rm -rf "$root""#;
    let arguments = ["bash", "-c", build, "import", busybox(), name, check, script, label(name)];
    let made = host.exec(&arguments, &[], b"", Limits::seconds(60)).unwrap();
    assert_eq!(made.code, Some(0), "making {name}: {}", String::from_utf8_lossy(&made.stderr));
}
