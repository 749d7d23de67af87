/*! How long a server asked to wait. */

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// Whoever asks for more than a day is not waited for in one process anyway.
const LONGEST_MS: f64 = 24.0 * 3600.0 * 1000.0;

/// Milliseconds, rounded up, at most a day: `retry-after-ms` (OpenAI), else `retry-after` in seconds, also
/// fractions, or as a date (RFC 9110, 10.2.3), which is compared with the answer's own `date` where it has one,
/// since clocks differ.
pub(super) fn milliseconds(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
    let date = |text: &str| httpdate::parse_http_date(text).ok();

    let asked = text("retry-after-ms").and_then(number).or_else(|| {
        let after = text("retry-after")?;
        number(after).map(|seconds| seconds * 1000.0).or_else(|| {
            let now = text("date").and_then(date).unwrap_or(now);
            let wait = date(after)?.duration_since(now).unwrap_or(Duration::ZERO);
            Some(wait.as_secs_f64() * 1000.0)
        })
    })?;
    Some(asked.min(LONGEST_MS).ceil() as u64)
}

#[cfg(test)]
#[path = "retry_after_tests.rs"]
mod tests;
