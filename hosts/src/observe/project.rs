//! Which project this is, and what its files say.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use esclusa_core::configuration::Compose as Source;
use esclusa_core::host::policy::explain;
use esclusa_core::host::{
    Container, Definition, FileChoice, Files, Kept, NEXT_SHIPPED, ONCE_FILE, PIN, Problem, SHIPPED,
    choose_files,
};
use esclusa_core::time::Timestamp;

use super::{Known, Observer, Takeover};
use crate::compose::Variables;

/// Files that are looked at for edits, at most: a service's directory may hold its data too.
const MOST_FILES: usize = 2000;
/// How deep the directory is looked through.
const DEEPEST: usize = 4;

/// Compose's own variables, or why it does not read them.
type ReadVariables = Result<Variables, String>;

/// What Compose is asked before it is known which files are the service's.
pub(super) struct AskedAhead {
    /// Its own variables, as `.env` has them.
    variables: ReadVariables,
    /// What it reads in the files that the last order used.
    last: Option<(Files, Result<Definition, String>)>,
}

impl Observer {
    /// Asks Compose what is probably to be known of a project that is still to be read.
    pub(super) async fn ask_ahead(&self, kept: &Kept) -> AskedAhead {
        if self.project.is_some() {
            return AskedAhead { variables: Ok(Variables::default()), last: None };
        }
        let (variables, last) =
            tokio::join!(self.read_own_variables(), self.read_last_definition(kept));
        AskedAhead { variables, last }
    }

    async fn read_own_variables(&self) -> ReadVariables {
        if !self.directory().join(".env").is_file() {
            return Ok(Variables::default());
        }
        self.compose.read_variables(&[]).await
    }

    async fn read_last_definition(
        &self,
        kept: &Kept,
    ) -> Option<(Files, Result<Definition, String>)> {
        let files = &kept.finished.as_ref()?.files;
        if files.listed.is_empty() {
            return None;
        }
        // Under which name is for the files and the variables to say.
        let files = Files { project: String::new(), ..files.clone() };
        let read = self.compose.read_definition(&files).await;
        Some((files, read))
    }

    /// Finds the project's files and its name, and has Compose read them.
    pub(super) async fn read_project(
        &self,
        kept: &Kept,
        containers: &[Container],
        directories: &BTreeSet<String>,
        asked: AskedAhead,
    ) -> Known {
        let fallback =
            Files { project: self.name_of_running(containers, directories), ..Files::default() };
        match self.find_project(kept, containers, directories, asked).await {
            Ok((files, definition, takeover)) => Known {
                edited_at: find_last_edit(self.directory(), &files),
                definition: Ok(definition),
                files,
                takeover,
            },
            Err((problem, files)) => Known {
                edited_at: None,
                definition: Err(problem),
                files: files.unwrap_or(fallback),
                takeover: Takeover::default(),
            },
        }
    }

    async fn find_project(
        &self,
        kept: &Kept,
        containers: &[Container],
        directories: &BTreeSet<String>,
        asked: AskedAhead,
    ) -> Result<(Files, Definition, Takeover), (Problem, Option<Files>)> {
        let directory = self.directory();
        if !directory.is_dir() {
            let text = format!(
                "{} does not exist: put the service's Compose files there.",
                directory.display()
            );
            return Err((problem(text), None));
        }
        let own = |it: &&Container| it.is_started_in(directories) && !it.is_one_off;
        let own: Vec<&Container> = containers.iter().filter(own).collect();
        let environment = find_environment_files(&own, directory);
        let variables = self.choose_variables(&environment, asked.variables).await;
        let variables = variables.map_err(|it| (it, None))?;
        let choice = self.choice(kept, own, directories, &variables);
        let listed = self.find_files(&choice).map_err(|it| (it, None))?;
        let separator = variables.separator.clone();
        let files = Files { listed, separator, environment, project: String::new() };
        let running = self.name_of_running(containers, directories);
        self.check_shipped(&files.listed, &running).await.map_err(|it| (it, None))?;
        let named = Files { project: running.clone(), ..files.clone() };
        let either = (variables.project.as_str(), running.as_str());
        let read = self.read_named(files, either, directories, asked.last).await;
        let (files, definition) = read.map_err(|text| (problem(text), Some(named)))?;
        let takeover = self.find_takeover(&choice, &files).await;
        let takeover = takeover.map_err(|it| (it, Some(files.clone())))?;
        Ok((files, definition, takeover))
    }

    /// Compares the team's own files with that of an image which is to take their place.
    async fn find_takeover(
        &self,
        choice: &FileChoice<'_>,
        files: &Files,
    ) -> Result<Takeover, Problem> {
        let is_next = files.listed.first().is_some_and(|it| it == NEXT_SHIPPED);
        if !is_next || self.directory().join(SHIPPED).is_file() {
            return Ok(Takeover::default());
        }
        // Where there is none, or one is gone, nothing is taken over but what runs.
        let own = choose_files(&FileChoice { compose: None, ..choice.clone() }).unwrap_or_default();
        if own.is_empty() || own.iter().any(|it| !self.directory().join(it).is_file()) {
            return Ok(Takeover::default());
        }
        let before = Files { listed: own.clone(), ..files.clone() };
        let repository = &self.order.repository;
        let differs = match self.compose.find_difference(&before, files, repository).await {
            Ok(differs) => differs,
            // It counts whatever the own files say, and be it nothing.
            Err(_) if self.order.compose == Source::Image => None,
            Err(text) => return Err(problem(text)),
        };
        Ok(Takeover { own, differs })
    }

    /// Compose's own variables: of the files that the service was started with, else of `.env`.
    async fn choose_variables(
        &self,
        environment: &[String],
        own: ReadVariables,
    ) -> Result<Variables, Problem> {
        if environment.is_empty() {
            return own.map_err(problem);
        }
        let directory = self.directory();
        if let Some(gone) = environment.iter().find(|it| !directory.join(it).is_file()) {
            return Err(problem(format!(
                "The service was started with --env-file {gone}, which is gone: put it back, or \
                 start \
                 the service once without it."
            )));
        }
        self.compose.read_variables(environment).await.map_err(problem)
    }

    /// What the choice of files hangs on.
    fn choice<'a>(
        &self,
        kept: &Kept,
        own: Vec<&'a Container>,
        directories: &BTreeSet<String>,
        variables: &Variables,
    ) -> FileChoice<'a> {
        let directory = self.directory();
        FileChoice {
            directories: directories.clone(),
            compose: Some(self.order.compose),
            is_next: Self::reads_next_file(kept, &self.order),
            variable: variables.files.clone(),
            separator: variables.separator.clone(),
            variable_changed_at: changed_at(&directory.join(".env")),
            present: list_names(directory),
            kept: kept.finished.as_ref().map(|it| it.files.listed.clone()).unwrap_or_default(),
            own: self.store.read_own_files(),
            containers: own,
        }
    }

    /// The Compose files.
    fn find_files(&self, choice: &FileChoice<'_>) -> Result<Vec<String>, Problem> {
        let directory = self.directory();
        let listed = self.choose_listed(choice)?;
        if let Some(gone) = listed.iter().find(|it| !directory.join(it).is_file()) {
            return Err(problem(format!(
                "The Compose file {gone} does not exist in {}, although the service uses it: put \
                 it \
                 back.",
                directory.display()
            )));
        }
        Ok(listed)
    }

    /// Looks at what the Compose file asks for that comes with the next image. What ran before is
    /// not looked at: going back to it is always right.
    async fn check_shipped(&self, listed: &[String], running: &str) -> Result<(), Problem> {
        if listed.first().map(String::as_str) != Some(NEXT_SHIPPED) {
            return Ok(());
        }
        let names = [running, self.order.project.as_str()];
        let refused = self.compose.find_refused(NEXT_SHIPPED, &names, &self.order.allowed);
        let refused = refused.await.map_err(problem)?;
        if refused.is_empty() {
            return Ok(());
        }
        Err(problem(explain(&refused, self.order.lane.environment.as_str())))
    }

    /// Has Compose read the files under the project's name: the one that somebody chose, else the
    /// one that runs, else the directory's.
    async fn read_named(
        &self,
        mut files: Files,
        (of_variables, running): (&str, &str),
        directories: &BTreeSet<String>,
        last: Option<(Files, Result<Definition, String>)>,
    ) -> Result<(Files, Definition), String> {
        // Compose calls a project after the directory of its first file.
        let below = files.listed.first().and_then(|it| Path::new(it).parent()?.file_name());
        let below = below.map(|it| it.to_string_lossy().to_lowercase());
        let is_default =
            |name: &str| self.is_default_name(name, directories) || below.as_deref() == Some(name);
        if !of_variables.is_empty() && !is_default(of_variables) {
            of_variables.clone_into(&mut files.project);
        }
        let mut definition = match last.filter(|(of, _)| *of == files) {
            Some((_, read)) => read?,
            None => self.compose.read_definition(&files).await?,
        };
        let unnamed = files.project.is_empty() && is_default(&definition.project);
        if unnamed && definition.project != running {
            running.clone_into(&mut files.project);
            definition = self.compose.read_definition(&files).await?;
        }
        files.project.clone_from(&definition.project);
        Ok((files, definition))
    }

    /// With a Compose file that comes with the image, before that was copied out of it, the files
    /// that lie there are the ones to read.
    fn choose_listed(&self, choice: &FileChoice<'_>) -> Result<Vec<String>, Problem> {
        let listed = choose_files(choice)?;
        let first = listed.first().map_or("", String::as_str);
        let is_shipped = first == NEXT_SHIPPED || first == SHIPPED;
        if !is_shipped || self.directory().join(first).is_file() {
            return Ok(listed);
        }
        if first == NEXT_SHIPPED && self.directory().join(SHIPPED).is_file() {
            let rest = listed.into_iter().skip(1);
            return Ok(std::iter::once(SHIPPED.to_owned()).chain(rest).collect());
        }
        choose_files(&FileChoice { compose: None, ..choice.clone() })
    }

    /// Whether a name is only that of the directory, which nobody chose.
    fn is_default_name(&self, name: &str, directories: &BTreeSet<String>) -> bool {
        let bases = directories.iter().filter_map(|it| it.rsplit('/').next());
        name == self.order.project || bases.into_iter().any(|it| it.to_lowercase() == name)
    }

    /// A project that runs keeps its name: with another one its volumes would be left behind.
    fn name_of_running(&self, containers: &[Container], directories: &BTreeSet<String>) -> String {
        let here = containers.iter().filter(|it| it.is_started_in(directories));
        let names: BTreeSet<&String> = here.filter_map(|it| it.project.as_ref()).collect();
        match names.into_iter().collect::<Vec<_>>()[..] {
            [name] => name.clone(),
            _ => self.order.project.clone(),
        }
    }
}

fn problem(text: String) -> Problem {
    Problem { text }
}

/// The files that containers were started with by `--env-file`.
fn find_environment_files(own: &[&Container], directory: &Path) -> Vec<String> {
    let dot_env = directory.join(".env");
    let real = dot_env.canonicalize().unwrap_or_else(|_| dot_env.clone());
    let is_default = |it: &String| {
        let path = directory.join(it);
        path == dot_env || path.canonicalize().is_ok_and(|it| it == real)
    };
    let lists: BTreeSet<&Vec<String>> = own.iter().map(|it| &it.environment_files).collect();
    let lists = lists.into_iter().filter(|it| !it.is_empty() && !it.iter().all(is_default));
    lists.max().cloned().unwrap_or_default()
}

/// The names of the files in a directory.
pub(crate) fn list_names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter(|it| it.path().is_file());
    files.filter_map(|it| it.file_name().into_string().ok()).collect()
}

/// When a file was last changed, as the file system keeps it: copying tools set the other time
/// back.
fn changed_at(path: &Path) -> Option<Timestamp> {
    let about = fs::metadata(path).ok()?;
    let seconds = u64::try_from(about.ctime()).ok()?;
    let nanos = u64::try_from(about.ctime_nsec()).unwrap_or(0);
    Some(Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)))
}

/// When a file that Compose reads was last changed: those that are listed, and every file beside or
/// below them that looks like one that they include.
fn find_last_edit(directory: &Path, files: &Files) -> Option<Timestamp> {
    let named = files.listed.iter().chain(&files.environment).map(|it| directory.join(it));
    let mut newest = named.filter_map(|it| changed_at(&it)).max();
    let mut open: Vec<(PathBuf, usize)> = vec![(directory.to_owned(), 0)];
    let mut seen = 0_usize;
    while let Some((at, depth)) = open.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten().flatten() {
            seen = seen.saturating_add(1);
            if seen > MOST_FILES {
                return newest;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_directory = entry.file_type().is_ok_and(|it| it.is_dir());
            if is_directory && depth < DEEPEST {
                open.push((entry.path(), depth.saturating_add(1)));
            } else if looks_like_input(&name) {
                newest = newest.max(changed_at(&entry.path()));
            }
        }
    }
    newest
}

fn looks_like_input(name: &str) -> bool {
    let ours = [PIN, SHIPPED, NEXT_SHIPPED, ONCE_FILE];
    let ends = [".yml", ".yaml", ".env", ".json"];
    let wanted = ends.iter().any(|it| name.ends_with(it)) || name.starts_with(".env");
    wanted && !ours.contains(&name)
}
