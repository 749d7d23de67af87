/*!
Where compiled code is kept between starts.

Code found there is run without another look, so the folder must be the user's own: one that others can write is
not used. Without a cache everything works, only slower.
*/

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use tracing::warn;
use wasmtime::{Cache, CacheConfig};

/// The cache in `folder`, which is made where it is missing; `None`, with a warning, where it cannot be used.
pub(crate) fn open(folder: &Path) -> Option<Cache> {
    match prepare(folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            warn!("compiled plugins are not kept in {}: {error}; every start compiles them anew", folder.display());
            None
        }
    }
}

fn prepare(folder: &Path) -> Result<Cache, Box<dyn std::error::Error>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let folder = folder.canonicalize()?;
    let meta = fs::metadata(&folder)?;
    if meta.mode() & 0o022 != 0 || meta.uid() != own_id(&folder)? {
        return Err("others can write there".into());
    }
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Ok(Cache::new(config)?)
}

/// The user whom this process writes as.
fn own_id(folder: &Path) -> io::Result<u32> {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    let owner = File::create_new(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    Ok(owner)
}
