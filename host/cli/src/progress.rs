/*! A run as it is watched: a bar on a terminal, plain lines elsewhere. */

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vecferry_core::report::{Counts, Event, Observer};

use crate::render;

/// Between two plain lines.
const INTERVAL: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    started: Instant,
    last: Mutex<Instant>,
}

impl Progress {
    /// `total`: records that will be read, where known.
    pub(crate) fn new(total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        Progress { bar, total, started: Instant::now(), last: Mutex::new(Instant::now()) }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| render::note(text)),
            None => render::note(text),
        }
    }

    fn advance(&self, counts: Counts) {
        let done = counts.migrated + counts.duplicates + counts.rejected;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < INTERVAL {
            return;
        }
        *last = Instant::now();
        let of = self.total.map_or(String::new(), |total| format!(" of {}", render::count(total)));
        let rate = rate(done, self.started.elapsed());
        let left = self.total.map_or(String::new(), |total| time_left(total.saturating_sub(done), rate));
        render::note(&format!("{}{of} records, {rate:.0} a second{left}", render::count(done)));
    }
}

#[allow(clippy::cast_precision_loss)] // for people
fn rate(done: u64, elapsed: Duration) -> f64 {
    done as f64 / elapsed.as_secs_f64().max(0.001)
}

#[allow(clippy::cast_precision_loss)] // for people
fn time_left(records: u64, rate: f64) -> String {
    if rate > 0.0 { format!(", about {:.0} s left", records as f64 / rate) } else { String::new() }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {human_pos}/{human_len} records  {per_sec}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} records  {per_sec}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Collection { store, collection } => tracing::info!("reading {store}/{collection}"),
            Event::Progress(counts) => self.advance(counts),
            Event::Retrying { stage, error, wait, attempt } => {
                self.say(&format!("{stage} failed (try {attempt}): {error}; again in {:.1} s", wait.as_secs_f64()));
            }
            Event::Verifying => tracing::info!("reading back"),
        }
    }
}
