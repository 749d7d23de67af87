/*! `telemetry`: what a guest may always do: log, and ask whether the user wants to stop. */

use vecferry_contract::printable;

use crate::bindings::telemetry::{Host, Level};
use crate::state::State;

/// Lines that one instance may log; a guest in a loop shall not fill the user's disk.
const MAX_LINES: u32 = 10_000;
/// Bytes of a panic's message that are kept.
const MAX_LAST_WORDS: usize = 2048;
/// The field by which the SDK's panic hook marks its line; the value is the place in the source.
const PANIC: &str = "panic";

impl Host for State {
    fn enabled(&mut self, level: Level) -> wasmtime::Result<bool> {
        Ok(self.lines < MAX_LINES && self.powers.log_enabled(level.into()))
    }

    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        if let Some((_, place)) = fields.iter().find(|(key, _)| key == PANIC) {
            // The host says it again, in the error that the call becomes.
            self.last_words = Some(printable(&format!("{message} ({place})"), MAX_LAST_WORDS));
            self.powers.log(vecferry_contract::Level::Debug, &message, &fields);
            return Ok(());
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines <= MAX_LINES {
            self.powers.log(level.into(), &message, &fields);
        }
        if self.lines == MAX_LINES {
            let notice = format!("{MAX_LINES} lines were logged; further lines of this plugin are left out");
            self.powers.log(vecferry_contract::Level::Warn, &notice, &[]);
        }
        Ok(())
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.powers.cancelled())
    }
}
