/*!
Values of a pickle as JSON.

What has no JSON twin is made to fit by fixed rules, and noted: see [`crate::notes`]. Containers are
converted with a stack of their own, never deeper than [`Limits::depth`], never to more bytes than
[`Limits::expanded`]; cycles are refused with their path.
*/

use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use vecferry_sdk::{Error, ErrorKind, Result};

use crate::array::Array;
use crate::dtype::Element;
use crate::limits::Limits;
use crate::node::{Kind, Node};
use crate::notes::{self, Notes};
use crate::number::Integer;
use crate::standard::{self, Standard};
use crate::text::Text;
use crate::walk::Items;

/// Writes values as JSON, within budgets that hold for all of them together.
pub struct Json {
    limits: Limits,
    left_in_all: u64,
}

/// The value of a member of an object that is put together: see [`Json::object`].
pub enum Member<'p> {
    /// A value of a pickle.
    Node(Node<'p>),
    /// An element of an array.
    Element(Element),
}

enum Frame<'p> {
    Sequence { of: Node<'p>, items: Items<'p>, first: bool },
    Object { of: Option<Node<'p>>, members: std::vec::IntoIter<(Rc<str>, Member<'p>)>, first: bool },
    Array { of: Node<'p>, array: Array, next: u64 },
}

/// What looking at a member costs, in bytes that are written.
const MEMBER: u64 = 24;
/// Bytes of a key.
const LONGEST_KEY: u64 = 64 << 10;
/// A text or byte string that is longer than the budget allows is refused before it is read.
const SLACK: u64 = 1024;

impl Json {
    /// A writer for the values of a pickle of `file_bytes` bytes.
    pub fn new(limits: &Limits, file_bytes: u64) -> Self {
        Json { limits: *limits, left_in_all: Limits::expanded_in_all(file_bytes) }
    }

    /// Counts bytes of `node` that are read beside: texts and vectors that values share can be named a million times
    /// too. Call it before they are read.
    ///
    /// # Errors
    /// `pickle/too-large` (unsupported) when a scan has read far more than the file holds.
    pub fn spend(&mut self, bytes: u64, node: Node<'_>) -> Result<()> {
        if bytes > self.left_in_all {
            self.left_in_all = 0;
            let message = "the store's values expand to more than a thousand times the file's size";
            return Err(node.error(ErrorKind::Unsupported, "pickle/too-large", message));
        }
        self.left_in_all -= bytes;
        Ok(())
    }

    /// One value.
    ///
    /// # Errors
    /// `pickle/opaque` (unsupported) for a value that is no data; `pickle/cycle` (corrupt); `pickle/too-deep`,
    /// `pickle/too-large` (unsupported); each with the path.
    pub fn value(&mut self, node: Node<'_>, notes: &mut Notes) -> Result<String> {
        let mut out = String::new();
        let mut stack = Vec::new();
        self.begin(node, &mut out, &mut stack, notes)?;
        self.run(out, stack, notes)
    }

    /// An object of members that stand in several places. Where a key comes twice, the later one counts.
    ///
    /// # Errors
    /// As [`Json::value`].
    pub fn object(&mut self, members: Vec<(Rc<str>, Member<'_>)>, notes: &mut Notes) -> Result<String> {
        let members = unique(members, notes).into_iter();
        self.run("{".to_owned(), vec![Frame::Object { of: None, members, first: true }], notes)
    }

    /// Writes what is on the stack. What was written counts, also when it ends in an error.
    fn run(&mut self, mut out: String, stack: Vec<Frame<'_>>, notes: &mut Notes) -> Result<String> {
        let written = self.write(&mut out, stack, notes);
        self.left_in_all = self.left_in_all.saturating_sub(out.len() as u64);
        written.map(|()| out)
    }

    fn write(&mut self, out: &mut String, mut stack: Vec<Frame<'_>>, notes: &mut Notes) -> Result<()> {
        let max = self.limits.expanded.min(self.left_in_all);
        while let Some(frame) = stack.last_mut() {
            let next = match frame {
                Frame::Sequence { items, first, .. } => match items.next() {
                    Some(item) => {
                        separate(out, first);
                        Some(Member::Node(item))
                    }
                    None => {
                        out.push(']');
                        None
                    }
                },
                Frame::Object { members, first, .. } => match members.next() {
                    Some((key, value)) => {
                        separate(out, first);
                        string(out, &key);
                        out.push(':');
                        Some(value)
                    }
                    None => {
                        out.push('}');
                        None
                    }
                },
                Frame::Array { array, next, .. } => {
                    let count = array.portion().min(array.elements() - *next);
                    for item in array.element_list(*next, usize::try_from(count).unwrap_or(0))? {
                        brackets(out, array.shape(), *next, true);
                        element(out, &item, notes);
                        *next += 1;
                        brackets(out, array.shape(), *next, false);
                    }
                    if *next < array.elements() {
                        self.check(out, max, &stack)?;
                        continue;
                    }
                    None
                }
            };
            match next {
                None => {
                    stack.pop();
                }
                Some(Member::Element(item)) => element(out, &item, notes),
                Some(Member::Node(node)) => self.begin(node, out, &mut stack, notes)?,
            }
            self.check(out, max, &stack)?;
        }
        Ok(())
    }

    fn check(&self, out: &str, max: u64, stack: &[Frame<'_>]) -> Result<()> {
        if out.len() as u64 <= max {
            return Ok(());
        }
        let outermost = stack.iter().find_map(|frame| match frame {
            Frame::Sequence { of, .. } | Frame::Array { of, .. } | Frame::Object { of: Some(of), .. } => Some(*of),
            Frame::Object { of: None, .. } => None,
        });
        Err(match outermost {
            Some(node) => self.too_large(node),
            None => Error::unsupported("pickle/too-large", "a record's metadata is too large"),
        })
    }

    fn too_large(&self, node: Node<'_>) -> Error {
        let message = format!("a value expands to more than {} MiB", self.limits.expanded.min(self.left_in_all) >> 20);
        node.error(ErrorKind::Unsupported, "pickle/too-large", message)
            .hint("values that refer to the same value many times can name far more than they hold")
    }

    /// Writes a scalar, or opens a container.
    fn begin<'p>(
        &mut self,
        node: Node<'p>,
        out: &mut String,
        stack: &mut Vec<Frame<'p>>,
        notes: &mut Notes,
    ) -> Result<()> {
        let max = self.limits.expanded.min(self.left_in_all);
        match node.kind() {
            Kind::None => out.push_str("null"),
            Kind::Bool => out.push_str(if node.as_bool() == Some(true) { "true" } else { "false" }),
            Kind::Int => match node.integer()?.unwrap_or(Integer::Small(0)) {
                Integer::Small(number) => decimal(out, number),
                big => integer(out, &big, node, notes)?,
            },
            Kind::Float => float(out, node.as_f64()?.unwrap_or(f64::NAN), notes),
            Kind::Str => {
                if node.plain_text(max.saturating_add(SLACK), |text| string(out, text))?.is_some() {
                    return Ok(());
                }
                if node.text_bytes()? > max.saturating_add(SLACK) {
                    return Err(self.too_large(node));
                }
                text(out, &node.text()?.unwrap_or_default(), notes);
            }
            Kind::Bytes => {
                let blob = node.blob()?.ok_or_else(|| node.opaque())?;
                if blob.len()? > max {
                    return Err(self.too_large(node));
                }
                bytes(out, &blob.read_all(max)?, notes);
            }
            kind @ (Kind::List | Kind::Tuple | Kind::Set) => {
                self.enter(node, stack)?;
                if kind != Kind::List || node.is_call() {
                    notes.add(notes::SEQUENCE);
                }
                out.push('[');
                stack.push(Frame::Sequence { of: node, items: node.items(), first: true });
            }
            Kind::Dict => {
                self.enter(node, stack)?;
                if node.len() as u64 > max {
                    return Err(self.too_large(node));
                }
                let members = self.members(node, notes)?;
                out.push('{');
                stack.push(Frame::Object { of: Some(node), members: members.into_iter(), first: true });
            }
            Kind::Object => self.begin_object(node, out, stack, notes)?,
            Kind::Global => return Err(node.opaque()),
        }
        Ok(())
    }

    fn begin_object<'p>(
        &mut self,
        node: Node<'p>,
        out: &mut String,
        stack: &mut Vec<Frame<'p>>,
        notes: &mut Notes,
    ) -> Result<()> {
        if let Some(item) = node.numpy_scalar()? {
            element(out, &item, notes);
            return Ok(());
        }
        if let Some(value) = node.standard()? {
            standard(out, &value, notes);
            return Ok(());
        }
        let Some(array) = node.array()? else { return Err(node.opaque()) };
        self.enter(node, stack)?;
        match array.objects() {
            Some(list) if array.shape().len() == 1 => {
                out.push('[');
                stack.push(Frame::Sequence { of: node, items: node.pickle.node(list).items(), first: true });
            }
            Some(_) => {
                let message = "arrays of objects are read in one dimension only";
                return Err(node.error(ErrorKind::Unsupported, "pickle/dtype", message));
            }
            None if array.elements() == 0 => out.push_str("[]"),
            None => stack.push(Frame::Array { of: node, array, next: 0 }),
        }
        Ok(())
    }

    /// Checks that a container may be opened inside those that are open.
    fn enter(&self, node: Node<'_>, stack: &[Frame<'_>]) -> Result<()> {
        let within = |frame: &Frame<'_>| match frame {
            Frame::Sequence { of, .. } | Frame::Object { of: Some(of), .. } => *of == node && !node.is_empty(),
            _ => false,
        };
        if stack.iter().any(within) {
            return Err(node.cycle());
        }
        if stack.len() >= self.limits.depth as usize {
            return Err(node.too_deep(self.limits.depth));
        }
        Ok(())
    }

    /// A dict's members, with their keys as JSON needs them.
    ///
    /// # Errors
    /// `pickle/key` (unsupported) for keys that have no text.
    pub fn members<'p>(&mut self, node: Node<'p>, notes: &mut Notes) -> Result<Vec<(Rc<str>, Member<'p>)>> {
        let mut members = Vec::new();
        let mut bytes = 0_u64;
        for (key, value) in node.entries() {
            let key = self.key(key, notes)?;
            // A key that a dict has a million times is read as often.
            bytes += key.len() as u64 + MEMBER;
            if bytes > self.limits.expanded.min(self.left_in_all) {
                self.left_in_all = self.left_in_all.saturating_sub(bytes);
                return Err(self.too_large(node));
            }
            members.push((key, Member::Node(value)));
        }
        self.left_in_all = self.left_in_all.saturating_sub(bytes);
        Ok(unique(members, notes))
    }

    /// A dict key as text.
    ///
    /// # Errors
    /// `pickle/key` (unsupported) for one that has no text.
    pub fn key(&self, key: Node<'_>, notes: &mut Notes) -> Result<Rc<str>> {
        if let Some(name) = key.short_text()? {
            return Ok(name);
        }
        self.text_of_key(key, notes).map(Into::into)
    }

    fn text_of_key(&self, key: Node<'_>, notes: &mut Notes) -> Result<String> {
        if key.text_bytes()? > LONGEST_KEY {
            let message = "a dict has a key of more than 64 KiB";
            return Err(key.error(ErrorKind::Unsupported, "pickle/key", message));
        }
        if let Some(text) = key.text()? {
            text.note(notes);
            return Ok(text.string);
        }
        notes.add(notes::KEY);
        let mut out = String::new();
        match key.kind() {
            Kind::Tuple => {
                out.push('[');
                let mut first = true;
                for part in key.items() {
                    separate(&mut out, &mut first);
                    self.plain(part, &mut out, notes)?;
                    if out.len() as u64 > LONGEST_KEY {
                        return Err(self.too_large(key));
                    }
                }
                out.push(']');
                return Ok(out);
            }
            Kind::Float => {
                // As Python's json module does.
                let value = key.as_f64()?.unwrap_or(f64::NAN);
                return Ok(match value {
                    _ if value.is_nan() => "NaN".to_owned(),
                    _ if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
                    _ => format!("{value:?}"),
                });
            }
            _ => self.plain(key, &mut out, notes)?,
        }
        // A value that became a JSON text is the key without its quotes.
        Ok(match out.strip_prefix('"').and_then(|out| out.strip_suffix('"')) {
            Some(inner) if !inner.contains('\\') => inner.to_owned(),
            _ => out,
        })
    }

    /// A scalar, for a key.
    fn plain(&self, node: Node<'_>, out: &mut String, notes: &mut Notes) -> Result<()> {
        match node.kind() {
            Kind::List | Kind::Tuple | Kind::Set | Kind::Dict | Kind::Global => Err(node.error(
                ErrorKind::Unsupported,
                "pickle/key",
                format!("a dict has a key that no JSON text can stand for: {}", node.describe()),
            )),
            Kind::Object => {
                if let Some(item) = node.numpy_scalar()? {
                    element(out, &item, notes);
                    Ok(())
                } else if let Some(value) = node.standard()? {
                    standard(out, &value, notes);
                    Ok(())
                } else {
                    Err(node.opaque())
                }
            }
            _ => {
                let mut json = Json { limits: self.limits, left_in_all: self.left_in_all };
                json.begin(node, out, &mut Vec::new(), notes)
            }
        }
    }
}

/// Keeps the last of each key, in the place of the first.
fn unique<'p>(members: Vec<(Rc<str>, Member<'p>)>, notes: &mut Notes) -> Vec<(Rc<str>, Member<'p>)> {
    const FEW: usize = 16;
    let twice = |(place, (key, _)): (usize, &(Rc<str>, Member<'p>))| {
        members.get(..place).unwrap_or_default().iter().any(|(before, _)| before == key)
    };
    if members.len() <= FEW && !members.iter().enumerate().any(twice) {
        return members;
    }
    let mut out: Vec<(Rc<str>, Member<'p>)> = Vec::with_capacity(members.len());
    let mut places: HashMap<Rc<str>, usize> = HashMap::new();
    for (key, value) in members {
        match places.get(&key).and_then(|&place| out.get_mut(place)) {
            Some(slot) => {
                notes.add(notes::KEY_COLLISION);
                slot.1 = value;
            }
            None => {
                places.insert(Rc::clone(&key), out.len());
                out.push((key, value));
            }
        }
    }
    out
}

fn separate(out: &mut String, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(',');
    }
}

/// The brackets and commas around the elements of an array of this shape: opening ones before element
/// `index`, closing ones after the elements before `index`.
fn brackets(out: &mut String, shape: &[u64], index: u64, opening: bool) {
    if opening && index > 0 {
        out.push(',');
    }
    let mut span = 1_u64;
    for &extent in shape.iter().rev() {
        span = span.saturating_mul(extent);
        if !index.is_multiple_of(span) {
            break;
        }
        out.push(if opening { '[' } else { ']' });
    }
}

/// A whole number's digits; there are millions of them, and `write!` is slow.
fn decimal(out: &mut String, number: i64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut left = number.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    out.extend(digits[start..].iter().copied().map(char::from));
}

/// A JSON string.
fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(place) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, from) = rest.split_at(place);
        out.push_str(plain);
        match from.as_bytes().first() {
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{:04x}", other.copied().unwrap_or_default());
            }
        }
        rest = from.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.push('"');
}

fn text(out: &mut String, text: &Text, notes: &mut Notes) {
    text.note(notes);
    string(out, &text.string);
}

fn float(out: &mut String, value: f64, notes: &mut Notes) {
    if value.is_finite() {
        let _ = write!(out, "{value:?}");
    } else {
        notes.add(notes::NON_FINITE);
        out.push_str("null");
    }
}

fn integer(out: &mut String, number: &Integer, node: Node<'_>, notes: &mut Notes) -> Result<()> {
    let Some(digits) = number.decimal() else {
        let message = "a whole number too large to be written out";
        return Err(node.error(ErrorKind::Unsupported, "pickle/too-large", message));
    };
    // 10^308 is the last power of ten that a 64-bit float comes near.
    if digits.trim_start_matches('-').len() > 308 {
        notes.add(notes::BIG_INTEGER);
        string(out, &digits);
    } else {
        out.push_str(&digits);
    }
    Ok(())
}

fn bytes(out: &mut String, bytes: &[u8], notes: &mut Notes) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    notes.add(notes::BYTES);
    out.reserve(bytes.len() / 3 * 4 + 6);
    out.push('"');
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for i in 0..4 {
            let letter = ALPHABET.get((bits >> (18 - 6 * i)) as usize & 63).copied().unwrap_or(b'=');
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out.push('"');
}

fn element(out: &mut String, element: &Element, notes: &mut Notes) {
    let _ = match element {
        Element::Bool(value) => write!(out, "{value}"),
        Element::Int(value) => write!(out, "{value}"),
        Element::UInt(value) => write!(out, "{value}"),
        Element::Float(value) => {
            float(out, *value, notes);
            Ok(())
        }
        Element::Complex(real, imaginary) => {
            notes.add(notes::OBJECT);
            string(out, &standard::complex(*real, *imaginary));
            Ok(())
        }
        Element::Text(value) => {
            text(out, value, notes);
            Ok(())
        }
        Element::Bytes(value) => {
            bytes(out, value, notes);
            Ok(())
        }
        Element::DateTime(value) => {
            standard(out, &Standard::Date(value.clone()), notes);
            Ok(())
        }
        Element::Duration(value) => {
            standard(out, &Standard::Duration(*value), notes);
            Ok(())
        }
        Element::None => {
            standard(out, &Standard::None, notes);
            Ok(())
        }
    };
}

fn standard(out: &mut String, value: &Standard, notes: &mut Notes) {
    match value {
        Standard::Date(text) => {
            notes.add(notes::DATE);
            string(out, text);
        }
        Standard::Duration(seconds) => {
            notes.add(notes::DURATION);
            float(out, *seconds, notes);
        }
        Standard::Text(text) => {
            notes.add(notes::OBJECT);
            string(out, text);
        }
        Standard::None => {
            notes.add(notes::NON_FINITE);
            out.push_str("null");
        }
    }
}
