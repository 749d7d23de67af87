/*! ONNX Runtime, loaded once per process from a library file. */

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use vecferry_core::{Error, Result};

/// ONNX Runtime allows one environment per process, and goes when its last handle is dropped: this one stays.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// The process's environment. The first call decides which library is used.
///
/// # Errors
/// `runtime/load` (internal): the file is no ONNX Runtime for this machine, or too old.
pub(crate) fn environment(library: &Path) -> Result<Environment> {
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = environment.as_ref() {
        return Ok(environment.clone());
    }
    let failed = |reason: String| {
        Error::internal("runtime/load", format!("cannot load ONNX Runtime: {reason}")).at("file", library.display())
    };
    // By path: looking for the library by name panics inside ort where there is none.
    let builder = ort::init_from(library).map_err(|error| failed(error.to_string()))?;
    let built = builder.with_name("vecferry").with_telemetry(false).build();
    let built = built.map_err(|error| failed(error.to_string()))?;
    *environment = Some(built.clone());
    Ok(built)
}
