//! Keys that only some versions of Compose know, and those that none knows yet.

use serde_json::{Value, json};

use super::super::policy::{Paths, review};

fn names(resolved: &Value) -> Vec<String> {
    let resolve = |path: &str| path.to_owned();
    let paths = Paths { directory: "/srv/shop", resolve: &resolve };
    let found = review(resolved, &["shop"], &paths);
    found.into_iter().map(|it| it.permission).collect()
}

#[test]
fn each_key_of_a_service_is_harmless_or_named() {
    for (key, value, expected) in [
        ("use_api_socket", json!(true), &["use_api_socket"][..]),
        ("use_api_socket", json!(false), &[]),
        ("provider", json!({ "type": "aws" }), &["provider"]),
        ("models", json!({ "llm": null }), &["models"]),
        ("gpus", json!("all"), &["gpus"]),
        ("credential_spec", json!({ "file": "x" }), &["credential_spec"]),
        (
            "post_start",
            json!([{ "command": "true", "privileged": true }]),
            &["post_start.privileged"],
        ),
        ("pre_stop", json!([{ "command": "true", "user": "root" }]), &[]),
        ("volumes", json!([{ "type": "npipe", "source": "x" }]), &["volumes.type=npipe"]),
        ("volumes", json!([{ "type": "image", "source": "nginx" }]), &[]),
        ("volumes", json!([{ "type": "bind", "source": "/srv/shop/a" }]), &[]),
        (
            "volumes",
            json!([{ "type": "bind", "source": "/srv/shopping" }]),
            &["volumes=/srv/shopping"],
        ),
        (
            "volumes",
            json!([{ "type": "bind", "source": "/srv/shop/compose.yaml" }]),
            &["volumes=/srv/shop/compose.yaml"],
        ),
        (
            "volumes",
            json!([{ "type": "bind", "source": "/srv/shop/esclusa.compose.yaml" }]),
            &["volumes=/srv/shop/esclusa.compose.yaml"],
        ),
        ("cpu_rt_runtime", json!("400ms"), &["cpu_rt_runtime"]),
        ("oom_score_adj", json!(500), &[]),
        ("of_a_later_compose", json!({ "host": "all" }), &["of_a_later_compose"]),
        ("of_a_later_compose", json!(null), &[]),
        ("x-ours", json!({ "privileged": true }), &[]),
    ] {
        let file = json!({ "name": "shop", "services": { "web": { "image": "x", key: value } } });
        assert_eq!(names(&file), expected, "{file}");
    }
}

#[test]
fn what_a_file_has_beside_services_is_harmless_or_named() {
    for (key, value, expected) in [
        ("models", json!({ "llm": { "model": "x" } }), &["models"][..]),
        ("x-ours", json!({ "a": 1 }), &[]),
        ("volumes", json!({ "db": { "name": "shop_db" } }), &[]),
        ("volumes", json!({ "db": { "name": "shop_db", "later": 1 } }), &["later"]),
        (
            "volumes",
            json!({ "tmp": { "driver_opts": { "type": "tmpfs", "device": "tmpfs" } } }),
            &[],
        ),
        ("networks", json!({ "default": { "name": "shop_default", "ipam": {} } }), &[]),
        ("networks", json!({ "lan": { "ipam": { "driver": "aws" } } }), &["networks.ipam=aws"]),
        (
            "networks",
            json!({ "lan": { "driver_opts": { "com.docker.network.driver.mtu": "1450" } } }),
            &[],
        ),
        ("secrets", json!({ "key": { "external": true } }), &["external"]),
        ("secrets", json!({ "key": { "environment": "KEY" } }), &[]),
        ("configs", json!({ "it": { "content": "a" } }), &[]),
    ] {
        let file = json!({ "name": "shop", key: value });
        assert_eq!(names(&file), expected, "{file}");
    }
}
