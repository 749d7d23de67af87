/*! `telemetry`: log lines carry the plugin's name and cannot steer the terminal. */

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use vecferry_powers::{Grants, Level, Powers};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Captured;

    fn make_writer(&'a self) -> Captured {
        self.clone()
    }
}

#[test]
fn lines_are_single_printable_and_named() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(captured.clone())
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .finish();
    let powers = Powers::new("probe", &[], Grants::default());
    tracing::subscriber::with_default(subscriber, || {
        assert!(powers.log_enabled(Level::Warn));
        assert!(!powers.log_enabled(Level::Debug));
        powers.log(Level::Debug, "unseen", &[]);
        powers.log(Level::Warn, "one\nERROR fake\x1b[31m", &[("file".into(), "a\r\nb".into())]);
        powers.log(Level::Info, &"x".repeat(1 << 20), &[]);
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("WARN") && lines[0].contains("plugin=\"probe\""), "{}", lines[0]);
    assert!(lines[0].contains("one\\nERROR fake\\u{1b}[31m file=a\\r\\nb"), "{}", lines[0]);
    assert!(lines[1].len() < 20_000, "a line is bounded");
}
