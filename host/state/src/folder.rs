/*! The state folder: the runs in it. */

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use vecferry_core::{Error, Result};

use crate::database::Database;
use crate::fault::{Doing, damaged};
use crate::moment::Moment;
use crate::run::Run;
use crate::view::{DATABASE, LOCK, PLAN, RunSummary, RunView, sha256};
use crate::{files, lease, name};

/// Names to try before giving up: there are a million for each second.
const NAMES: u32 = 64;

/// The folder that holds all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder {
    path: PathBuf,
}

/// A run in the folder. One that cannot be read does not hide the others.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The run at a glance, or why it cannot be read.
    pub summary: Result<RunSummary>,
}

impl StateFolder {
    /// The folder at `path`. It is made when the first run is.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        StateFolder { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a run, which this process works on.
    ///
    /// # Errors
    /// `state/unwritable` (config), `state/disk-full` (transient).
    pub fn create(&self, plan_json: &str) -> Result<Run> {
        let runs = self.runs();
        files::make_folder(&runs).doing("make the state folder", &runs)?;
        let created = Moment::now();
        let (name, folder) = new_folder(&runs, created)?;
        let lock = folder.join(LOCK);
        let lease = lease::take(&lock)?
            .ok_or_else(|| Error::internal("state/lock", "a new run is locked already").at("file", lock.display()))?;
        let plan = folder.join(PLAN);
        files::make(&plan, plan_json.as_bytes()).doing("keep the plan", &plan)?;
        // Last, under its name in one step: a folder without it is a run that was never made.
        let database = folder.join(DATABASE);
        Database::make(&database, &sha256(plan_json.as_bytes()), created)?;
        for folder in [&folder, &runs] {
            files::sync_folder(folder).doing("keep the run", folder)?;
        }
        Run::begin(RunView { name, folder, database: Database::open(&database)? }, lease)
    }

    /// Opens a run for work: takes it over when the process that had it is dead.
    ///
    /// # Errors
    /// - `state/in-use` (config): another process works on it.
    /// - `state/no-run` (not found), `state/name` (config): there is no run of this name.
    /// - `state/damaged` (corrupt), `state/newer`, `state/older` (unsupported), `state/plan-changed` (config).
    /// - `state/unwritable` (config), `state/locked`, `state/disk-full` (transient).
    pub fn open_run(&self, name: &str) -> Result<Run> {
        let folder = self.folder_of(name)?;
        let Some(lease) = lease::take(&folder.join(LOCK))? else {
            return Err(self.in_use(name));
        };
        let database = Database::open(&folder.join(DATABASE))?;
        let view = RunView { name: name.to_owned(), folder, database };
        view.plan_json()?;
        Run::begin(view, lease)
    }

    /// Opens a run to read it, also while a process works on it.
    ///
    /// # Errors
    /// `state/no-run` (not found), `state/name` (config), `state/damaged` (corrupt), `state/newer`, `state/older`
    /// (unsupported), `state/locked` (transient).
    pub fn read(&self, name: &str) -> Result<RunView> {
        let folder = self.folder_of(name)?;
        let database = Database::open_to_read(&folder.join(DATABASE))?;
        Ok(RunView { name: name.to_owned(), folder, database })
    }

    /// All runs, the oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there holds no runs.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let listed = |name: String| Listed { summary: self.read(&name).and_then(|run| run.summary()), name };
        Ok(self.names()?.into_iter().map(listed).collect())
    }

    /// The latest run that is not finished and that nobody works on; where all are worked on, the latest of them.
    ///
    /// # Errors
    /// When a run cannot be read that may be the one.
    pub fn latest_unfinished(&self) -> Result<Option<RunSummary>> {
        let mut latest_alive = None;
        for name in self.names()?.into_iter().rev() {
            let summary = self.read(&name).and_then(|run| run.summary()).map_err(|mut error| {
                error.hint = Some(format!(
                    "name the run to go on with (see `vecferry runs list`), or remove the folder of {name}"
                ));
                error.at("run", name)
            })?;
            match (summary.status.is_finished(), summary.alive) {
                (true, _) => {}
                (false, false) => return Ok(Some(summary)),
                (false, true) => latest_alive = latest_alive.or(Some(summary)),
            }
        }
        Ok(latest_alive)
    }

    fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    /// Sorted.
    fn names(&self) -> Result<Vec<String>> {
        const DOING: &str = "list the runs";
        let runs = self.runs();
        let entries = match fs::read_dir(&runs) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.doing(DOING, &runs)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.doing(DOING, &runs)?.file_name();
            let name = name.to_str().filter(|name| name::is_name(name) && runs.join(name).join(DATABASE).exists());
            names.extend(name.map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The folder of a run that exists.
    fn folder_of(&self, name: &str) -> Result<PathBuf> {
        name::check(name)?;
        let folder = self.runs().join(name);
        let database = folder.join(DATABASE);
        if database.exists() {
            return Ok(folder);
        }
        if folder.join(PLAN).exists() {
            return Err(damaged(&database, format!("run {name} has no database")));
        }
        Err(Error::not_found("state/no-run", format!("there is no run {name}"))
            .hint("see `vecferry runs list`; another state folder is named with --state DIR")
            .at("folder", self.path.display()))
    }

    fn in_use(&self, name: &str) -> Error {
        let holder = self.read(name).ok().and_then(|run| run.last_holder());
        let holder = holder.map_or_else(
            || "another process".to_owned(),
            |holder| format!("process {}, since {}", holder.process, holder.since),
        );
        Error::config("state/in-use", format!("run {name} is worked on by {holder}"))
            .hint(format!("wait until that process has ended; `vecferry status {name}` shows how far it is"))
    }
}

/// Makes the folder of a new run, under a name that no other has.
fn new_folder(runs: &Path, created: Moment) -> Result<(String, PathBuf)> {
    for _ in 0..NAMES {
        let name = name::make(created);
        let folder = runs.join(&name);
        match files::make_new_folder(&folder) {
            Ok(()) => return Ok((name, folder)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).doing("make the run's folder", &folder),
        }
    }
    Err(Error::internal("state/name", "no name for a new run was free").at("file", runs.display()))
}
