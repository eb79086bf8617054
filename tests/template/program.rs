//! The host program: published by the deployment.

use esclusa_local::environment::Environment;
use serde_json::json;

use crate::calls::Callers;

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
