/*!
Values of the standard library (and of pandas and the time zone packages) that JSON has no twin for, as text
or number: dates, durations, decimals, UUIDs, paths.
*/

use vecferry_sdk::{ErrorKind, Result};

use crate::calendar;
use crate::class::Known;
use crate::node::{Kind, Node};
use crate::number::Integer;

/// What such a value becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standard {
    /// ISO 8601.
    Date(String),
    /// Seconds.
    Duration(f64),
    /// As `str()` gives it.
    Text(String),
    /// pandas' "not a time".
    None,
}

const TEXT_BYTES: u64 = 1 << 20;
const PATH_PARTS: usize = 1024;

impl<'p> Node<'p> {
    /// `None` for anything that is no such value.
    pub(crate) fn standard(self) -> Result<Option<Standard>> {
        let Some(known) = self.known() else { return Ok(None) };
        let value = match known {
            Known::DateTime => self.moment(calendar::python_datetime)?.map(Standard::Date),
            Known::Time => self.moment(calendar::python_time)?.map(Standard::Date),
            Known::Date => {
                let bytes = self.arg_bytes(0)?;
                bytes.and_then(|bytes| calendar::python_date(&bytes)).map(Standard::Date)
            }
            Known::TimeDelta => self.micros()?.map(|micros| Standard::Duration(micros as f64 / 1e6)),
            Known::Decimal => self.decimal()?.map(Standard::Text),
            Known::Fraction => self.fraction()?.map(Standard::Text),
            Known::Uuid => self.uuid()?.map(Standard::Text),
            Known::PosixPath => self.joined('/')?.map(Standard::Text),
            Known::WindowsPath => self.joined('\\')?.map(Standard::Text),
            Known::Complex => self.complex()?.map(Standard::Text),
            Known::PandasTimestamp => self.timestamp()?.map(Standard::Date),
            Known::PandasNat => Some(Standard::None),
            Known::TimeZone | Known::Utc | Known::Pytz => self.offset()?.map(Standard::Text),
            _ => return Ok(None),
        };
        match value {
            Some(value) => Ok(Some(value)),
            None => {
                let class = self.class().map_or("?".to_owned(), |class| class.to_string());
                let message = format!("no valid {class}: its arguments are none that Python would write");
                Err(self.error(ErrorKind::Corrupt, "pickle/corrupt", message))
            }
        }
    }

    fn arg_bytes(self, index: usize) -> Result<Option<Vec<u8>>> {
        match self.args().nth(index) {
            Some(arg) => match arg.blob()? {
                Some(blob) => blob.read_all(TEXT_BYTES).map(Some),
                None => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// A datetime or time: its bytes, and its time zone if it has one.
    fn moment(self, render: impl Fn(&[u8]) -> Option<String>) -> Result<Option<String>> {
        let Some(mut text) = self.arg_bytes(0)?.and_then(|bytes| render(&bytes)) else { return Ok(None) };
        if let Some(zone) = self.args().nth(1).filter(|zone| !zone.is_none()) {
            match zone.offset()? {
                Some(offset) => text.push_str(&offset),
                None => return Err(zone.opaque()),
            }
        }
        Ok(Some(text))
    }

    /// A time zone's offset, `+02:00`. One that only has a name (its offset depends on the date, and on rules
    /// that are not here) is written as RFC 9557 does: `[Europe/Berlin]`.
    fn offset(self) -> Result<Option<String>> {
        match self.known() {
            Some(Known::Utc) => Ok(Some("+00:00".to_owned())),
            Some(Known::TimeZone) => match self.args().next() {
                Some(delta) if delta.known() == Some(Known::TimeDelta) => {
                    Ok(delta.micros()?.and_then(calendar::offset))
                }
                _ => Ok(None),
            },
            // `pytz._p(zone, utcoffset in seconds, dst in seconds, abbreviation)`, or a zone without a fixed
            // offset: `_p(zone)`.
            Some(Known::Pytz) => {
                let mut args = self.args();
                let name = match args.next() {
                    Some(name) => name.short()?,
                    None => None,
                };
                match args.next() {
                    Some(seconds) => Ok(seconds.as_i64()?.and_then(|s| calendar::offset(i128::from(s) * 1_000_000))),
                    None => Ok(name.map(|name| format!("[{name}]"))),
                }
            }
            _ => self.zone_info(),
        }
    }

    /// `getattr(ZoneInfo, '_unpickle')(key, from cache)`: CPython's `Modules/_zoneinfo.c`.
    fn zone_info(self) -> Result<Option<String>> {
        let Some(callable) = self.callable().filter(|callable| callable.known() == Some(Known::Getattr)) else {
            return Ok(None);
        };
        let mut target = callable.args();
        let class = target.next().and_then(Node::class).and_then(|class| class.known);
        if class != Some(Known::ZoneInfo) || !target.next().map_or(Ok(false), |name| name.is_text("_unpickle"))? {
            return Ok(None);
        }
        match self.args().next() {
            Some(key) => Ok(key.short()?.map(|key| format!("[{key}]"))),
            None => Ok(None),
        }
    }

    /// Of `timedelta(days, seconds, microseconds)`.
    fn micros(self) -> Result<Option<i128>> {
        let mut parts = [0_i64; 3];
        for (part, arg) in parts.iter_mut().zip(self.args()) {
            match arg.as_i64()? {
                Some(number) => *part = number,
                None => return Ok(None),
            }
        }
        let [days, seconds, micros] = parts.map(i128::from);
        Ok(Some((days * 86_400 + seconds) * 1_000_000 + micros))
    }

    fn decimal(self) -> Result<Option<String>> {
        let Some(arg) = self.args().next() else { return Ok(None) };
        if arg.text_bytes()? > TEXT_BYTES {
            return Ok(None);
        }
        Ok(arg.text()?.map(|text| text.string))
    }

    /// `Fraction('1/3')` before 3.11, `Fraction(1, 3)` since.
    fn fraction(self) -> Result<Option<String>> {
        let mut args = self.args();
        let (numerator, denominator) = (args.next(), args.next());
        match (numerator, denominator) {
            (Some(text), None) if text.kind() == Kind::Str => self.decimal(),
            (Some(n), Some(d)) => match (n.integer()?, d.integer()?) {
                (Some(n), Some(d)) => Ok(n.decimal().zip(d.decimal()).map(|(n, d)| format!("{n}/{d}"))),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn uuid(self) -> Result<Option<String>> {
        let number = match self.attribute("int")? {
            Some(number) => number.integer()?,
            None => None,
        };
        let number: Option<u128> = match number {
            Some(Integer::Small(small)) => u128::try_from(small).ok(),
            Some(Integer::Big(digits)) => digits.parse().ok(),
            _ => None,
        };
        Ok(number.map(|number| {
            let hex = format!("{number:032x}");
            let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
            format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
        }))
    }

    /// A path from its parts, the first of which may be a root that ends in a separator.
    fn joined(self, separator: char) -> Result<Option<String>> {
        let mut path = String::new();
        for (place, part) in self.args().enumerate() {
            if place >= PATH_PARTS || part.text_bytes()? > TEXT_BYTES || path.len() as u64 > TEXT_BYTES {
                return Ok(None);
            }
            let Some(part) = part.text()? else { return Ok(None) };
            if !path.is_empty() && !path.ends_with(separator) {
                path.push(separator);
            }
            path.push_str(&part.string);
        }
        Ok(Some(if path.is_empty() { ".".to_owned() } else { path }))
    }

    fn complex(self) -> Result<Option<String>> {
        let mut args = self.args();
        let (Some(real), Some(imaginary)) = (args.next(), args.next()) else { return Ok(None) };
        Ok(real.as_f64()?.zip(imaginary.as_f64()?).map(|(real, imaginary)| complex(real, imaginary)))
    }

    /// `_unpickle_timestamp(value, freq, tz, reso)`: nanoseconds, or the unit that the last names.
    fn timestamp(self) -> Result<Option<String>> {
        let args: Vec<Node<'p>> = self.args().take(4).collect();
        let (Some(value), zone, resolution) = (args.first(), args.get(2), args.get(3)) else { return Ok(None) };
        // NPY_DATETIMEUNIT: 7 s, 8 ms, 9 us, 10 ns.
        let unit = match resolution {
            Some(resolution) => match resolution.as_i64()? {
                Some(unit @ 7..=10) => calendar::Unit::Second(u8::try_from((unit - 7) * 3).unwrap_or(9)),
                _ => return Ok(None),
            },
            None => calendar::Unit::Second(9),
        };
        let Some(text) = value.as_i64()?.and_then(|value| calendar::since_1970(value, unit, 1)) else {
            return Ok(None);
        };
        // pandas keeps UTC; the zone only says how to show it.
        let zoned = zone.is_some_and(|zone| !zone.is_none());
        let short = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text.contains('.') { short } else { &text };
        Ok(Some(format!("{text}{}", if zoned { "+00:00" } else { "" })))
    }

    /// Refuses a value that is no data: an object of an unknown class, what an unknown function would give, a class
    /// or a function.
    ///
    /// # Errors
    /// `pickle/opaque` (unsupported), with the path.
    pub fn check_data(self) -> Result<()> {
        let array =
            |known| matches!(known, Known::NumpyReconstruct | Known::NumpyFromBuffer | Known::ArrayReconstructor);
        match (self.kind(), self.known()) {
            (Kind::Global, _) => Err(self.opaque()),
            (Kind::Object, Some(known)) if known.is_scalar() || known == Known::LangchainDocument || array(known) => {
                Ok(())
            }
            (Kind::Object, _) => Err(self.opaque()),
            _ => Ok(()),
        }
    }

    /// Why a value is not read: its class or callable is not on the allow-list.
    pub(crate) fn opaque(self) -> vecferry_sdk::Error {
        let what = match self.callable() {
            Some(callable) if callable.kind() == Kind::Object => "the result of a call of a call".to_owned(),
            _ => self.describe(),
        };
        let package = self.class().and_then(|class| class.module.split('.').next());
        let hint = match package {
            Some("pandas") => {
                "nothing was executed; in Python, df.to_dict('records') gives a list that can be pickled and read"
            }
            Some("torch") => {
                "nothing was executed; in Python, tensor.cpu().numpy() gives an array that can be pickled and read"
            }
            _ => "nothing was executed; write the store again with plain values (texts, numbers, lists, dicts)",
        };
        self.error(ErrorKind::Unsupported, "pickle/opaque", format!("a value that only Python code could make: {what}"))
            .hint(hint)
    }
}

/// As Python's `str` gives it.
pub(crate) fn complex(real: f64, imaginary: f64) -> String {
    let number = |value: f64| match value {
        _ if value.is_nan() => "nan".to_owned(),
        _ if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        _ if value.fract() == 0.0 && value.abs() < 1e16 => format!("{value}"),
        _ => format!("{value:?}"),
    };
    let sign = if imaginary.is_sign_negative() && !imaginary.is_nan() { "" } else { "+" };
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", number(imaginary));
    }
    format!("({}{sign}{}j)", number(real), number(imaginary))
}
