/*!
The password, where the location has none: from `PGPASSWORD`, else from the password file (`PGPASSFILE`, else
`~/.pgpass`), as every client of PostgreSQL takes it (its manual, "The Password File").
*/

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use postgres::config::Host;
use vecferry_sdk::Host as Powers;

/// No password file is larger.
const MAX_FILE: u64 = 1 << 20;

/// Puts a password into a configuration that has none.
pub(crate) fn find(powers: &Powers, config: &mut postgres::Config) {
    if config.get_password().is_some() {
        return;
    }
    let found = std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()).or_else(|| {
        let lines = file(powers)?;
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            // Of a socket in the file system; the manual says so.
            Some(Host::Unix(_)) | None => "localhost".to_owned(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
        let user = config.get_user().unwrap_or_default();
        let database = config.get_dbname().unwrap_or(user);
        lookup(&lines, [&host, &port, database, user])
    });
    if let Some(password) = found {
        config.password(password);
    }
}

fn file(powers: &Powers) -> Option<String> {
    let path = match std::env::var_os("PGPASSFILE") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"),
    };
    let file = File::open(&path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return None;
    }
    if meta.permissions().mode() & 0o077 != 0 {
        powers.warn(&format!("{} is left aside: others may read it; chmod 600 mends that", path.display()));
        return None;
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The password of the first line whose host, port, database and user fit; `*` fits all.
fn lookup(lines: &str, wanted: [&str; 4]) -> Option<String> {
    lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, names) = fields.split_last()?;
        let fits =
            names.len() == wanted.len() && names.iter().zip(wanted).all(|(name, wanted)| name == "*" || name == wanted);
        fits.then(|| password.clone())
    })
}

/// The fields of a line, at most five: between colons, with `\:` and `\\` for the characters themselves.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(last) = fields.last_mut() {
            last.push(literal);
        }
    }
    fields
}

#[cfg(test)]
#[path = "password_tests.rs"]
mod tests;
