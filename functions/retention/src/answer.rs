//! The form of answers.

use std::collections::BTreeMap;

use esclusa_core::retention::{Image, Verdict};
use esclusa_shell::retain::{Mode, Report, Retained, Stop};
use serde::Serialize;

use crate::ask::{PAGE, Question};

/// Tags of one image that an answer lists, at most; ECR allows a thousand.
const TAGS: usize = 20;

/// What a person gets.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// What was asked for.
    Done(Box<Done>),
    /// Why not; nothing was changed.
    Refused { ok: bool, code: &'static str, text: String },
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    ok: bool,
    text: String,
    /// The line that does what may be wanted next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    service: String,
    run: String,
    plan: Plan,
    /// Images that were deleted.
    deleted: usize,
    /// At most so many bytes were reclaimed.
    bytes: u64,
    /// Why it stopped.
    stop: &'static str,
    notes: Vec<String>,
    images: Vec<Line>,
    /// Where the list of images goes on: the next question's `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<String>,
}

#[derive(Debug, Serialize)]
struct Plan {
    keep: usize,
    delete: usize,
    /// At most so many bytes would be reclaimed: layers that images which stay use too are stored
    /// on.
    bytes: u64,
    keep_for: BTreeMap<&'static str, usize>,
    delete_for: BTreeMap<&'static str, usize>,
}

/// One image, and what becomes of it.
#[derive(Debug, Serialize)]
struct Line {
    digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    bytes: u64,
    pushed_at: String,
    verdict: &'static str,
    code: &'static str,
    text: String,
}

impl Answer {
    pub(crate) fn refused(code: &'static str, text: String) -> Self {
        Self::Refused { ok: false, code, text }
    }

    pub(crate) fn of(question: &Question, retained: &Retained, function: &str) -> Self {
        let Retained { seen, plan, report } = retained;
        let images = seen.inventory.images();
        let first = question
            .after
            .as_ref()
            .map_or(0, |after| images.partition_point(|image| image.digest <= *after));
        let lines = images.iter().zip(&plan.verdicts).skip(first).take(PAGE);
        let lines: Vec<Line> = lines.map(|(image, verdict)| line(image, verdict)).collect();
        let rest = images.len() > first.saturating_add(lines.len());
        let more = lines.last().filter(|_| rest).map(|line| line.digest.clone());
        let summary = &report.summary;
        Self::Done(Box::new(Done {
            ok: true,
            text: report.text(),
            next: next(question, report, function),
            service: report.service.to_string(),
            run: report.run.clone(),
            plan: Plan {
                keep: summary.kept,
                delete: summary.deleted,
                bytes: summary.bytes,
                keep_for: summary.kept_for.clone(),
                delete_for: summary.deleted_for.clone(),
            },
            deleted: report.deleted,
            bytes: report.bytes,
            stop: report.stop.word(),
            notes: report.notes.clone(),
            images: lines,
            more,
        }))
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Done(done) => done.stop,
            Self::Refused { code, .. } => code,
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Done(done) => &done.text,
            Self::Refused { text, .. } => text,
        }
    }
}

fn line(image: &Image, verdict: &Verdict) -> Line {
    let tags = image.tags.iter().take(TAGS).map(ToString::to_string);
    Line {
        digest: image.digest.to_string(),
        tags: tags.collect(),
        bytes: image.bytes,
        pushed_at: image.pushed_at.to_string(),
        verdict: if verdict.keeps() { "keep" } else { "delete" },
        code: verdict.code(),
        text: verdict.to_string(),
    }
}

/// The line that a person may want to paste next.
fn next(question: &Question, report: &Report, function: &str) -> Option<String> {
    let service = &question.run.service;
    let (does, force) = match (&report.stop, question.run.mode) {
        (Stop::Planned, Mode::Plan) if report.summary.deleted > 0 => ("deletes them", false),
        (Stop::Cap { .. }, _) => ("goes on beyond the cap", true),
        _ => return None,
    };
    let line = esclusa_core::retention::ask_line(function, service, force);
    Some(format!("this {does}:\n{line}"))
}
