//! What time does, at once: images grow older.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Ecr;
use crate::aws::error::ApiResult;
use crate::aws::guard;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Age {
    repository_name: String,
    seconds: u64,
}

impl Ecr {
    /// Makes every image of a repository older, as if time had passed since its push and its scan.
    pub(crate) fn age(&self, input: &Age) -> ApiResult<Value> {
        let span = Duration::from_secs(input.seconds);
        let mut catalog = guard(&self.catalog);
        let repository = catalog.repository_mut(self.account(), &input.repository_name)?;
        for image in repository.images.values_mut() {
            image.pushed_at = image.pushed_at.minus(span);
            image.pulled_at = image.pulled_at.map(|at| at.minus(span));
            if let Some(scan) = &mut image.scan {
                scan.asked_at = scan.asked_at.map(|at| at.minus(span));
                scan.completed_at = scan.completed_at.map(|at| at.minus(span));
            }
        }
        let images = repository.images.len();
        self.snapshot.save(&*catalog);
        Ok(json!({ "images": images }))
    }
}
