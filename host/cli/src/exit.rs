/*! Every exit code, in one place. They are public: scripts rely on them. */

use std::process::ExitCode;

use vecferry_core::ErrorKind;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything arrived.
    Success = 0,
    /// Finished, but some records were rejected; they are in the dead letter.
    Partial = 1,
    /// The command line or the settings are wrong (clap uses the same code).
    Usage = 2,
    /// A file, store, collection or index does not exist.
    NotFound = 3,
    /// Understood, but it cannot be done.
    Unsupported = 4,
    /// The source is damaged.
    Corrupt = 5,
    /// Credentials are missing or refused, or a capability was not granted.
    Denied = 6,
    /// Try again: the other side is throttling or away.
    Temporary = 7,
    /// Written, but reading back showed differences.
    Unverified = 8,
    /// A fault of vecferry or of a plugin.
    Internal = 70,
    /// Stopped by the user.
    Interrupted = 130,
}

pub(crate) const HELP: &str = "\
Exit codes:
    0  everything arrived
    1  finished, but some records were rejected (see the dead letter)
    2  wrong command line or settings
    3  not found
    4  unsupported
    5  the source is damaged
    6  credentials or a capability are missing
    7  temporary: try again
    8  written, but verification found differences
   70  a fault of vecferry or of a plugin
  130  stopped by the user";

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config => Exit::Usage,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Unsupported => Exit::Unsupported,
            ErrorKind::Corrupt => Exit::Corrupt,
            ErrorKind::Auth | ErrorKind::Denied => Exit::Denied,
            ErrorKind::Throttled | ErrorKind::Transient => Exit::Temporary,
            ErrorKind::Internal => Exit::Internal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
