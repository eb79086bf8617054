//! The host program: published by the deployment, and what each document runs.

use esclusa_local::documents::{DOCUMENTS, bootstrap};
use esclusa_local::environment::Environment;
use serde_json::{Value, json};

use crate::calls::Callers;
use crate::options;

/// The deployment has put an index into the repository, under a tag that never moves.
pub(crate) fn is_in_the_registry(environment: &Environment, callers: &Callers<'_>) {
    let digest = &environment.record().outputs["HostProgram"];
    let images =
        json!({ "repositoryName": "esclusa/host", "imageIds": [{ "imageDigest": digest }] });
    let found = callers.root("ecr", "describe_images", images);
    let image = &found["imageDetails"][0];
    assert_eq!(image["imageManifestMediaType"], "application/vnd.oci.image.index.v1+json");
    let tag = image["imageTags"][0].as_str().unwrap();
    assert!(digest.contains(tag.rsplit('-').next().unwrap()), "{tag} of {digest}");
    let repositories = json!({ "repositoryNames": ["esclusa/host"] });
    let repository = callers.root("ecr", "describe_repositories", repositories);
    assert_eq!(repository["repositories"][0]["imageTagMutability"], "IMMUTABLE");
}

/// Each document holds the bootstrap with the digest of what was published, line by line.
pub(crate) fn is_what_each_document_runs(environment: &Environment, callers: &Callers<'_>) {
    let record = environment.record();
    let digest = &record.outputs["HostProgram"];
    let program = format!("{}/esclusa/host@{digest}", record.registry());
    for document in DOCUMENTS {
        let got = callers.root("ssm", "get_document", json!({ "Name": document.name }));
        let content: Value = serde_json::from_str(got["Content"].as_str().unwrap()).unwrap();
        let lines = content["mainSteps"][0]["inputs"]["runCommand"].as_array().unwrap();
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str().unwrap()).collect();
        let verb = document.step;
        let expected = bootstrap(&options().root.join("hosts"), verb, &program).unwrap();
        assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{}", document.name);
    }
}
