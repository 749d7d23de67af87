/*! `vecferry model`, and the model that a run uses. */

use serde_json::json;
use vecferry_core::Result;
use vecferry_embed::ModelStore;

use crate::args::ModelCommand;
use crate::exit::Exit;
use crate::paths;
use crate::render;

pub(crate) fn run(command: &ModelCommand) -> Result<Exit> {
    let store = store();
    match command {
        ModelCommand::Fetch { name } => {
            store.fetch(name, &mut |line| render::note(line))?;
        }
        ModelCommand::List { json: true } => {
            for model in store.list() {
                let line =
                    json!({"name": model.name, "dimension": model.dimension, "here": model.here, "path": model.path});
                render::result(&line.to_string());
            }
        }
        ModelCommand::List { json: false } => {
            let here = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
            let row = |model: &vecferry_embed::ModelStatus| {
                vec![
                    model.name.to_owned(),
                    model.dimension.to_string(),
                    here(model.here),
                    model.path.display().to_string(),
                ]
            };
            let rows: Vec<Vec<String>> = store.list().iter().map(row).collect();
            render::result(&render::table(&["model", "dim", "here", "path"], &rows));
        }
    }
    Ok(Exit::Success)
}

/// One session a core.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The built-in models.
pub(crate) fn store() -> ModelStore {
    ModelStore::new(paths::cache().join("models"))
}
