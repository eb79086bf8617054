use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::handler::Publisher;
use crate::image::{Blob, Index};
use crate::publish::Registry;
use crate::request::{Answer, Published, Request};

/// A repository in memory that counts what is put into it.
#[derive(Debug, Default)]
struct Memory {
    tags: Mutex<BTreeMap<String, String>>,
    puts: Mutex<Vec<String>>,
}

impl Registry for Memory {
    type Error = Infallible;

    async fn find_tag(&self, _: &str, tag: &str) -> Result<Option<String>, Infallible> {
        Ok(self.tags.lock().unwrap().get(tag).cloned())
    }

    async fn find_blobs(&self, _: &str, wanted: &[&str]) -> Result<BTreeSet<String>, Infallible> {
        let puts = self.puts.lock().unwrap();
        let present = puts.iter().filter(|it| wanted.contains(&it.as_str())).cloned();
        Ok(present.collect())
    }

    async fn upload_blob(&self, _: &str, blob: &Blob) -> Result<(), Infallible> {
        self.puts.lock().unwrap().push(blob.digest.clone());
        Ok(())
    }

    async fn put_manifest(
        &self,
        _: &str,
        manifest: &Blob,
        tag: Option<&str>,
    ) -> Result<(), Infallible> {
        self.puts.lock().unwrap().push(manifest.digest.clone());
        if let Some(tag) = tag {
            self.tags.lock().unwrap().insert(tag.to_owned(), manifest.digest.clone());
        }
        Ok(())
    }
}

/// A folder of the test's own with these programs in it.
fn folder(name: &str, programs: &[(&str, &str)]) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("publish-program-{}-{name}", std::process::id()));
    for (architecture, program) in programs {
        fs::create_dir_all(folder.join(architecture)).unwrap();
        fs::write(folder.join(architecture).join("esclusa-host"), program).unwrap();
    }
    folder
}

const BOTH: [(&str, &str); 2] = [("x86_64", "for Intel"), ("aarch64", "for ARM")];

fn request(kind: &str) -> Request {
    let request = json!({
        "RequestType": kind, "RequestId": "r", "StackId": "s", "LogicalResourceId": "HostProgram",
        "ResponseURL": "http://127.0.0.1:1/", "ResourceType": "Custom::HostProgram",
        "ResourceProperties": { "ServiceToken": "arn", "Repository": "esclusa/host" },
    });
    serde_json::from_value(request).unwrap()
}

const LIMIT: Duration = Duration::from_secs(5);

async fn publish(registry: Memory, programs: &Path) -> (Memory, Result<Option<Published>, String>) {
    let publisher = Publisher { registry, programs: programs.to_owned() };
    let ended = publisher.carry_out(&request("Create"), LIMIT).await;
    (publisher.registry, ended)
}

#[test]
fn the_same_programs_have_the_same_digest() {
    let index = |name| Index::read(&folder(name, &BOTH)).unwrap();
    let (one, other) = (index("same-1"), index("same-2"));
    assert_eq!(one.manifest, other.manifest);
    let changed = folder("same-3", &[("x86_64", "for Intel, newer"), ("aarch64", "for ARM")]);
    let changed = Index::read(&changed).unwrap();
    assert_ne!(one.manifest.digest, changed.manifest.digest);
    assert_eq!(one.images[0].manifest, changed.images[0].manifest);
}

#[test]
fn an_index_names_both_platforms() {
    let index = Index::read(&folder("platforms", &BOTH)).unwrap();
    let manifest: Value = serde_json::from_slice(&index.manifest.bytes).unwrap();
    let platforms = manifest["manifests"].as_array().unwrap().iter().map(|it| &it["platform"]);
    let expected = ["arm64", "amd64"].map(|it| json!({ "os": "linux", "architecture": it }));
    assert_eq!(platforms.collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    assert!(index.tag.starts_with(concat!(env!("CARGO_PKG_VERSION"), "-")), "{}", index.tag);
    assert!(index.manifest.digest.contains(&index.tag[index.tag.len() - 12..]));
}

#[tokio::test]
async fn what_is_there_is_not_put_there_again() {
    let programs = folder("again", &BOTH);
    let (registry, first) = publish(Memory::default(), &programs).await;
    // Two layers, two configurations, two images, one index.
    assert_eq!(registry.puts.lock().unwrap().len(), 7);
    let (registry, second) = publish(registry, &programs).await;
    assert_eq!(registry.puts.lock().unwrap().len(), 7);
    assert_eq!(first, second);
    fs::write(programs.join("x86_64/esclusa-host"), "newer").unwrap();
    let (registry, third) = publish(registry, &programs).await;
    assert_ne!(first, third);
    // The other platform's layer and configuration were there.
    assert_eq!(registry.puts.lock().unwrap().len(), 12);
}

#[tokio::test]
async fn a_package_without_a_program_is_an_answer() {
    let (_, ended) = publish(Memory::default(), &folder("none", &[])).await;
    let reason = ended.clone().unwrap_err();
    assert!(reason.contains("holds no program: build the layer"), "{reason}");
    let answer = serde_json::to_value(Answer::new(&request("Create"), ended)).unwrap();
    assert_eq!(answer["Status"], "FAILED");
    assert_eq!(answer["Reason"], reason);
    assert_eq!(answer["PhysicalResourceId"], "esclusa-host");
    assert_eq!(answer["RequestId"], "r");
}

#[tokio::test]
async fn a_deletion_leaves_the_images_to_the_stack() {
    let publisher = Publisher { registry: Memory::default(), programs: folder("gone", &BOTH) };
    let ended = publisher.carry_out(&request("Delete"), LIMIT).await;
    assert_eq!(ended, Ok(None));
    assert!(publisher.registry.puts.lock().unwrap().is_empty());
}

#[test]
fn an_answer_says_the_digest() {
    let published = Published { digest: "sha256:1".to_owned(), tag: "0-1".to_owned() };
    let answer = Answer::new(&request("Update"), Ok(Some(published)));
    let expected = json!({
        "Status": "SUCCESS", "PhysicalResourceId": "esclusa-host", "StackId": "s",
        "RequestId": "r", "LogicalResourceId": "HostProgram",
        "Data": { "Digest": "sha256:1", "Tag": "0-1" },
    });
    assert_eq!(serde_json::to_value(answer).unwrap(), expected);
}
