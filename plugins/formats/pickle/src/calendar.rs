/*! Dates, times and spans of Python's `datetime` and of numpy, as ISO 8601. */

use std::fmt::Write as _;

/// numpy's time units (`numpy/_core/include/numpy/ndarraytypes.h`, `NPY_DATETIMEUNIT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    /// 10^-n seconds; n is a multiple of three.
    Second(u8),
}

impl Unit {
    pub(crate) fn parse(name: &[u8]) -> Option<Unit> {
        Some(match name {
            b"Y" => Unit::Year,
            b"M" => Unit::Month,
            b"W" => Unit::Week,
            b"D" => Unit::Day,
            b"h" => Unit::Hour,
            b"m" => Unit::Minute,
            b"s" => Unit::Second(0),
            b"ms" => Unit::Second(3),
            b"us" => Unit::Second(6),
            b"ns" => Unit::Second(9),
            b"ps" => Unit::Second(12),
            b"fs" => Unit::Second(15),
            b"as" => Unit::Second(18),
            _ => return None,
        })
    }

    /// How long one is; years and months have no fixed length.
    pub(crate) fn seconds(self) -> Option<f64> {
        Some(match self {
            Unit::Year | Unit::Month => return None,
            Unit::Week => 604_800.0,
            Unit::Day => 86_400.0,
            Unit::Hour => 3_600.0,
            Unit::Minute => 60.0,
            Unit::Second(power) => 10_f64.powi(-i32::from(power)),
        })
    }
}

/// `value` times `count` units since 1970, as numpy prints it. `None` for a year that no date has.
pub(crate) fn since_1970(value: i64, unit: Unit, count: u32) -> Option<String> {
    let units = i128::from(value) * i128::from(count);
    let per_day = match unit {
        Unit::Year => return Some(year(i64::try_from(1970 + units).ok()?)),
        Unit::Month => {
            let months = 1970 * 12 + units;
            let text = year(i64::try_from(months.div_euclid(12)).ok()?);
            return Some(format!("{text}-{:02}", months.rem_euclid(12) + 1));
        }
        Unit::Week => return date(units * 7),
        Unit::Day => return date(units),
        Unit::Hour => 24,
        Unit::Minute => 1440,
        Unit::Second(power) => 86_400 * 10_i128.pow(u32::from(power)),
    };
    let mut text = date(units.div_euclid(per_day))?;
    let in_day = units.rem_euclid(per_day);
    let _ = match unit {
        Unit::Hour => write!(text, "T{in_day:02}"),
        Unit::Second(power) => {
            let scale = 10_i128.pow(u32::from(power));
            let seconds = in_day / scale;
            let _ = write!(text, "T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            if power == 0 { Ok(()) } else { write!(text, ".{:0width$}", in_day % scale, width = usize::from(power)) }
        }
        _ => write!(text, "T{:02}:{:02}", in_day / 60, in_day % 60),
    };
    Some(text)
}

fn year(year: i64) -> String {
    if year < 0 { format!("-{:04}", year.unsigned_abs()) } else { format!("{year:04}") }
}

/// The date `days` after 1970-01-01 in the proleptic Gregorian calendar, by eras of 400 years.
fn date(days: i128) -> Option<String> {
    let days = days + 719_468; // From 0000-03-01.
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let civil_year = i64::try_from(era * 400 + year_of_era + i128::from(month <= 2)).ok()?;
    Some(format!("{}-{month:02}-{day:02}", year(civil_year)))
}

/// The date in the four bytes that `date.__reduce__` gives. `None` for a date that does not exist.
pub(crate) fn python_date(bytes: &[u8]) -> Option<String> {
    let &[high, low, month, day] = bytes else { return None };
    let year = u16::from_be_bytes([high, low]);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    ((1..=9999).contains(&year) && (1..=days).contains(&day)).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// The time in the six bytes that `time.__reduce__` gives; the highest bit of the hour is `fold`.
pub(crate) fn python_time(bytes: &[u8]) -> Option<String> {
    let &[hour, minute, second, a, b, c] = bytes else { return None };
    let (hour, micro) = (hour & 0x7f, u32::from_be_bytes([0, a, b, c]));
    if hour > 23 || minute > 59 || second > 59 || micro > 999_999 {
        return None;
    }
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    if micro > 0 {
        let _ = write!(text, ".{micro:06}");
    }
    Some(text)
}

/// The moment in the ten bytes that `datetime.__reduce__` gives; the highest bit of the month is `fold`.
pub(crate) fn python_datetime(bytes: &[u8]) -> Option<String> {
    let (date, time) = bytes.split_at_checked(4)?;
    let &[high, low, month, day] = date else { return None };
    Some(format!("{}T{}", python_date(&[high, low, month & 0x7f, day])?, python_time(time)?))
}

/// An offset from UTC, in microseconds, as `datetime.isoformat` writes it. `None` for a day or more.
pub(crate) fn offset(micros: i128) -> Option<String> {
    let (sign, size) = if micros < 0 { ('-', -micros) } else { ('+', micros) };
    if size >= 86_400_000_000 {
        return None;
    }
    let seconds = size / 1_000_000;
    let mut text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 != 0 || size % 1_000_000 != 0 {
        let _ = write!(text, ":{:02}", seconds % 60);
    }
    if size % 1_000_000 != 0 {
        let _ = write!(text, ".{:06}", size % 1_000_000);
    }
    Some(text)
}
