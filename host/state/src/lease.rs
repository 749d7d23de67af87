/*!
Who works on a run: a lock that the kernel releases when its holder ends.

The lock says only that somebody is alive. Who that is stands in the database, and that a process which lost the lock
without noticing keeps nothing is the fence's doing (see `run`).
*/

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use vecferry_core::{Error, Result};

use crate::fault::Doing;
use crate::files;
use crate::moment::Moment;

/// A process that looks whether a run is worked on holds the lock for a moment.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(10);

/// The process that works on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its number in the operating system.
    pub process: u32,
    /// When it took the run.
    pub since: Moment,
}

/// Takes the lock, which is held until the file is dropped; `None` while another process holds it.
pub(crate) fn take(path: &Path) -> Result<Option<File>> {
    const DOING: &str = "lock the run";
    let file = files::private().read(true).write(true).create(true).truncate(false).open(path).doing(DOING, path)?;
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if attempt == TRIES => break,
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
            Err(TryLockError::Error(error)) => {
                return Err(Error::config("state/lock", format!("cannot {DOING}: {error}"))
                    .hint("choose a state folder on a disk of this machine with --state DIR")
                    .at("file", path.display()));
            }
        }
    }
    Ok(None)
}

/// Whether a process holds the lock.
pub(crate) fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
