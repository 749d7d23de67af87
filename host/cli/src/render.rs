/*! How things look: errors, numbers, tables. Reads well without colour. */

use std::io::{IsTerminal, Write};

use vecferry_core::Error;

/// Whether stderr takes colours.
pub(crate) fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// An error, on stderr: what, where, and what to do next.
pub(crate) fn error(error: &Error) {
    let mut text = format!("error: {error} [{}]\n", error.code);
    if let Some(hint) = &error.hint {
        text.push_str(&format!(" hint: {hint}\n"));
    }
    note(&text);
}

/// A line on stderr. A closed stderr is no reason to fail.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// Text on stdout. A closed pipe (`| head`) ends the program quietly.
pub(crate) fn result(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// 1234567 → "1,234,567".
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// "1 record", "2 records".
pub(crate) fn plural(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// 1536 → "1.5 KiB".
#[allow(clippy::cast_precision_loss)] // for people
pub(crate) fn bytes(value: u64) -> String {
    let mut scaled = value as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if scaled < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{value} B") } else { format!("{scaled:.1} {unit}") }
}

/// Columns, aligned; the last one is not padded.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(ToString::to_string).collect();
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in std::iter::once(&header).chain(rows) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1_000, 12_345_678].map(count).each_ref().map(String::as_str)
        );
        assert_eq!(
            ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"],
            [0, 1_023, 1_024, 1_572_864].map(bytes).each_ref().map(String::as_str)
        );
        assert_eq!((plural(1, "record"), plural(0, "record")), ("1 record".to_owned(), "0 records".to_owned()));
    }

    #[test]
    fn tables_align_by_characters_not_bytes() {
        let rows = vec![vec!["ü".to_owned(), "1".to_owned()], vec!["abc".to_owned(), "2".to_owned()]];
        assert_eq!(table(&["A", "B"], &rows), "A    B\nü    1\nabc  2\n");
    }
}
