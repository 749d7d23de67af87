/*!
A value of a pickle, to be asked.

Containers that Python's standard library offers over the plain ones (`OrderedDict`, `defaultdict`, `deque`,
`set(...)`, `bytearray(...)`, `_codecs.encode(...)`) look like what they are: dicts, sequences, bytes.
*/

use std::rc::Rc;

use vecferry_sdk::{Error, ErrorKind, Result};

use crate::arena::{NodeKind, SLOT_ARGS, SLOT_CALLABLE, SLOT_CONTENT, SLOT_STATE, Steps};
use crate::blob::Blob;
use crate::class::{Class, Known};
use crate::notes::Notes;
use crate::number::{self, Integer};
use crate::pickle::{KEY_BYTES, Pickle};
use crate::text::Text;
use crate::value::{Tag, Value};
use crate::walk::{Entries, Items};
use crate::{path, span, text};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `None`
    None,
    /// `True`, `False`
    Bool,
    /// A whole number of any size.
    Int,
    /// A 64-bit float.
    Float,
    /// Text; also a Python 2 `str`, which may be meant as bytes.
    Str,
    /// `bytes`, `bytearray`
    Bytes,
    /// `list`, `deque`
    List,
    /// `tuple`
    Tuple,
    /// `set`, `frozenset`
    Set,
    /// `dict`, `OrderedDict`, `defaultdict`, `Counter`
    Dict,
    /// An instance of a class, or the result of a call that nobody made.
    Object,
    /// A class or function, by name.
    Global,
}

/// A value of a pickle. Two nodes are equal when they are the same value of the graph: shared, not only alike.
#[derive(Clone, Copy)]
pub struct Node<'p> {
    pub(crate) pickle: &'p Pickle,
    pub(crate) value: Value,
}

/// A value without its pickle, for structures that own both. Give it back to [`Pickle::node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub(crate) Value);

/// What a value comes down to once the standard library's wrappers are looked through.
#[derive(Clone, Copy)]
pub(crate) enum Shape<'p> {
    Plain(Value),
    Sequence(Kind, Option<Node<'p>>),
    /// A dict node, whose values are keys and values in turn; none = empty.
    Dict(Option<Node<'p>>),
    /// A sequence of (key, value) sequences.
    Pairs(Node<'p>),
    /// A text that holds bytes, one per character.
    Latin1(Node<'p>),
    /// A bytes value.
    Bytes(Node<'p>),
    EmptyBytes,
    Object,
}

/// Attributes that an object has, at most, when `__dict__` is looked for among them.
pub(crate) const ATTRIBUTES: usize = 256;
/// A longer text in one record is refused.
const TEXT_BYTES: u64 = 64 << 20;

impl<'p> Node<'p> {
    /// A handle to keep where the pickle cannot be borrowed.
    pub fn handle(self) -> Handle {
        Handle(self.value)
    }

    pub(crate) fn with(self, value: Value) -> Node<'p> {
        Node { value, ..self }
    }

    pub(crate) fn shape(self) -> Shape<'p> {
        match self.value.tag() {
            Tag::EmptyTuple => return Shape::Sequence(Kind::Tuple, None),
            Tag::Bytes => return Shape::Bytes(self),
            Tag::Node => {}
            _ => return Shape::Plain(self.value),
        }
        let index = self.value.index();
        let kind = self.pickle.arena.head(index).map(|head| head.kind);
        match kind {
            Some(NodeKind::List) => Shape::Sequence(Kind::List, Some(self)),
            Some(NodeKind::Tuple) => Shape::Sequence(Kind::Tuple, Some(self)),
            Some(NodeKind::Set | NodeKind::FrozenSet) => Shape::Sequence(Kind::Set, Some(self)),
            Some(NodeKind::Dict) => Shape::Dict(Some(self)),
            Some(NodeKind::Object) => self.object_shape(),
            None => Shape::Plain(Value::NONE),
        }
    }

    fn object_shape(self) -> Shape<'p> {
        let Some(known) = self.known() else { return Shape::Object };
        let arg = |n: usize| self.args().nth(n);
        // A built-in's content came after it was made, or it was made of an argument. One that is no container is
        // no data either.
        let sequence = |kind: Kind, arg: Option<Node<'p>>| match (self.content(), arg) {
            (None, None) => Shape::Sequence(kind, None),
            (None, Some(arg)) if arg.value == Value::EMPTY_TUPLE => Shape::Sequence(kind, None),
            (None, Some(arg)) => as_container(arg).map_or(Shape::Object, |arg| Shape::Sequence(kind, Some(arg))),
            (Some(content), _) => as_container(content).map_or(Shape::Object, |c| Shape::Sequence(kind, Some(c))),
        };
        match known {
            Known::ByteString => match arg(0) {
                None => Shape::EmptyBytes,
                Some(bytes) if bytes.kind() == Kind::Bytes => bytes.shape_of_bytes(),
                Some(text) if text.kind() == Kind::Str => Shape::Latin1(text),
                Some(_) => Shape::Object,
            },
            Known::CodecsEncode => match arg(0) {
                Some(text) if text.value.tag() == Tag::Text => Shape::Latin1(text),
                _ => Shape::Object,
            },
            Known::Set => sequence(Kind::Set, arg(0)),
            Known::List => sequence(Kind::List, arg(0)),
            // Protocols 0 to 2: the type code, then a list of numbers.
            Known::Array => sequence(Kind::List, arg(1)),
            Known::Tuple => sequence(Kind::Tuple, arg(0)),
            Known::DefaultDict => Shape::Dict(self.content()),
            Known::Dict => match (self.content(), arg(0)) {
                (Some(content), _) => Shape::Dict(Some(content)),
                (None, None) => Shape::Dict(None),
                (None, Some(arg)) => match arg.node_kind() {
                    Some(NodeKind::Dict) => Shape::Dict(Some(arg)),
                    Some(NodeKind::List | NodeKind::Tuple) => Shape::Pairs(arg),
                    _ if arg.value == Value::EMPTY_TUPLE => Shape::Dict(None),
                    _ => Shape::Object,
                },
            },
            _ => Shape::Object,
        }
    }

    /// Of a node whose kind is bytes: a bytearray of a bytes that is itself written as a call.
    fn shape_of_bytes(self) -> Shape<'p> {
        match self.value.tag() {
            Tag::Node => {
                // One level: `_codecs.encode` inside `bytearray`. Its own argument is a text.
                let text = self.args().next().filter(|text| matches!(text.value.tag(), Tag::Text | Tag::Text8));
                text.map_or(Shape::EmptyBytes, Shape::Latin1)
            }
            _ => Shape::Bytes(self),
        }
    }

    pub(crate) fn node_kind(self) -> Option<NodeKind> {
        if self.value.tag() == Tag::Node { self.pickle.arena.head(self.value.index()).map(|h| h.kind) } else { None }
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        match self.shape() {
            Shape::Sequence(kind, _) => kind,
            Shape::Dict(_) | Shape::Pairs(_) => Kind::Dict,
            Shape::Latin1(_) | Shape::Bytes(_) | Shape::EmptyBytes => Kind::Bytes,
            Shape::Object => Kind::Object,
            Shape::Plain(value) => match value.tag() {
                Tag::False | Tag::True => Kind::Bool,
                Tag::Small | Tag::Long => Kind::Int,
                Tag::Float => Kind::Float,
                Tag::Text | Tag::Text8 => Kind::Str,
                Tag::Global => Kind::Global,
                _ => Kind::None,
            },
        }
    }

    /// Whether it is `None`.
    pub fn is_none(self) -> bool {
        self.value == Value::NONE
    }

    /// Its truth value, of a `bool`.
    pub fn as_bool(self) -> Option<bool> {
        match self.value.tag() {
            Tag::False => Some(false),
            Tag::True => Some(true),
            _ => None,
        }
    }

    /// The number, of an `int` that fits; `None` for anything else.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn as_i64(self) -> Result<Option<i64>> {
        match self.integer()? {
            Some(Integer::Small(number)) => Ok(Some(number)),
            _ => Ok(None),
        }
    }

    /// The number, of an `int` of any size; `None` for anything else.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn integer(self) -> Result<Option<Integer>> {
        match self.value.tag() {
            Tag::Small => Ok(Some(Integer::Small(self.value.as_small()))),
            Tag::Long => self.pickle.read(self.value.offset(), number::read_integer).map(Some),
            _ => Ok(None),
        }
    }

    /// The number, of a `float` or an `int`; `None` for anything else.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn as_f64(self) -> Result<Option<f64>> {
        if self.value.tag() == Tag::Float {
            return self.pickle.read(self.value.offset(), number::read_float).map(Some);
        }
        Ok(self.integer()?.and_then(|number| match number {
            Integer::Small(number) => Some(number as f64),
            Integer::Big(digits) => digits.parse().ok(),
            Integer::Huge(_) => None,
        }))
    }

    /// The text, of a `str`; `None` for anything else.
    ///
    /// # Errors
    /// `pickle/corrupt` when it is not valid UTF-8.
    pub fn text(self) -> Result<Option<Text>> {
        match self.value.tag() {
            Tag::Text | Tag::Text8 => self.pickle.read(self.value.offset(), text::read).map(Some),
            _ => Ok(None),
        }
    }

    /// The text as a record's document or id, with what had to be done to it noted; `None` for anything else.
    ///
    /// # Errors
    /// `pickle/too-large` (unsupported) for more than 64 MiB; `pickle/corrupt` when it is not valid UTF-8.
    pub fn string(self, notes: &mut Notes) -> Result<Option<String>> {
        if let Some(text) = self.plain_text(TEXT_BYTES, str::to_owned)? {
            return Ok(Some(text));
        }
        let bytes = self.text_bytes()?;
        if bytes > TEXT_BYTES {
            let message = format!("a text of {bytes} bytes in one record; at most {} MiB are read", TEXT_BYTES >> 20);
            return Err(self.error(ErrorKind::Unsupported, "pickle/too-large", message));
        }
        Ok(self.text()?.map(|text| {
            text.note(notes);
            text.string
        }))
    }

    /// Bytes that a text takes in the file: tells before reading how much it is. 0 for anything else.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text_bytes(self) -> Result<u64> {
        match self.value.tag() {
            Tag::Text | Tag::Text8 => self.pickle.read(self.value.offset(), text::encoded_len),
            _ => Ok(0),
        }
    }

    /// Hands over a text of at most `max` bytes that lies in the file as it is; `None` for one that does not. `take`
    /// must not ask the pickle for anything.
    pub(crate) fn plain_text<T>(self, max: u64, take: impl FnOnce(&str) -> T) -> Result<Option<T>> {
        match self.value.tag() {
            Tag::Text => self.pickle.plain_text(self.value.offset(), max, take),
            _ => Ok(None),
        }
    }

    /// A digest of the letters of two short texts that are the same; `None` for others, and for what would have to be
    /// decoded to tell. Other texts may have that digest too.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn same_text(self, other: Node<'_>) -> Result<Option<u64>> {
        const SHORT: usize = 128;
        let mut kept = [0_u8; SHORT];
        let keep = |text: &str| {
            let kept = kept.get_mut(..text.len())?;
            kept.copy_from_slice(text.as_bytes());
            Some(text.len())
        };
        let len = self.plain_text(SHORT as u64, keep)?.flatten();
        let Some(letters) = len.and_then(|len| kept.get(..len)) else { return Ok(None) };
        let same = self == other || other.plain_text(SHORT as u64, |text| text.as_bytes() == letters)? == Some(true);
        Ok(same.then(|| digest(letters)))
    }

    /// A short text, which is kept: for keys. `None` for anything else, and for one that had to be changed.
    pub(crate) fn short_text(self) -> Result<Option<Rc<str>>> {
        match self.value.tag() {
            Tag::Text | Tag::Text8 => self.pickle.key(self.value.offset()),
            _ => Ok(None),
        }
    }

    /// A text of at most a thousand bytes; `None` for anything else.
    pub(crate) fn short(self) -> Result<Option<String>> {
        if self.text_bytes()? > 1024 {
            return Ok(None);
        }
        Ok(self.text()?.map(|text| text.string))
    }

    /// Whether it is written as a call, whatever it looks like.
    pub(crate) fn is_call(self) -> bool {
        self.node_kind() == Some(NodeKind::Object)
    }

    pub(crate) fn cycle(self) -> Error {
        self.error(ErrorKind::Corrupt, "pickle/cycle", format!("{} contains itself", self.describe()))
    }

    pub(crate) fn too_deep(self, depth: u32) -> Error {
        self.error(
            ErrorKind::Unsupported,
            "pickle/too-deep",
            format!("a value holds more than {depth} containers inside each other"),
        )
    }

    /// Whether it is this text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_text(self, text: &str) -> Result<bool> {
        if !matches!(self.value.tag(), Tag::Text | Tag::Text8) {
            return Ok(false);
        }
        if text.len() as u64 <= KEY_BYTES
            && let Some(same) = self.pickle.key_is(self.value.offset(), text)?
        {
            return Ok(same);
        }
        // No encoding writes a character in more than ten bytes.
        if self.text_bytes()? > 2 + 10 * text.len() as u64 {
            return Ok(false);
        }
        Ok(self.text()?.is_some_and(|found| found.string == text))
    }

    /// The bytes, of `bytes`, `bytearray` or a Python 2 `str`; `None` for anything else.
    ///
    /// # Errors
    /// `pickle/corrupt` when they are written in a way that cannot be decoded.
    pub fn blob(self) -> Result<Option<Blob>> {
        let locate = |node: Node<'p>| self.pickle.read(node.value.offset(), span::locate);
        match self.shape() {
            Shape::Bytes(bytes) => Ok(Some(Blob::new(self.pickle.file().clone(), locate(bytes)?))),
            Shape::Latin1(text) => Ok(Some(Blob::new(self.pickle.file().clone(), locate(text)?))),
            Shape::EmptyBytes => Ok(Some(Blob::empty(self.pickle.file().clone()))),
            Shape::Plain(value) if value.tag() == Tag::Text8 => {
                Ok(Some(Blob::new(self.pickle.file().clone(), locate(self)?)))
            }
            _ => Ok(None),
        }
    }

    /// Values of a sequence, entries of a dict; 0 for anything else. Of a dict that was written by hand it
    /// may count a key twice.
    pub fn len(self) -> usize {
        let count = |node: Option<Node<'p>>| node.map_or(0, Node::raw_len);
        match self.shape() {
            Shape::Sequence(_, node) => count(node),
            Shape::Dict(node) => count(node) / 2,
            Shape::Pairs(node) => node.raw_len(),
            _ => 0,
        }
    }

    /// Whether it is an empty container, or no container.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn raw_len(self) -> usize {
        match self.value.tag() {
            Tag::Node => self.pickle.arena.head(self.value.index()).map_or(0, |head| head.count as usize),
            _ => 0,
        }
    }

    pub(crate) fn raw_items(self) -> Items<'p> {
        let steps = match self.value.tag() {
            Tag::Node => Steps::over(&self.pickle.arena, self.value.index()),
            _ => Steps::empty(),
        };
        Items { pickle: self.pickle, steps }
    }

    /// The values of a list, tuple, set or deque, in order; nothing for anything else.
    pub fn items(self) -> Items<'p> {
        match self.shape() {
            Shape::Sequence(_, Some(node)) => node.raw_items(),
            _ => Items::none(self.pickle),
        }
    }

    /// The keys and values of a dict, in order; nothing for anything else. Should a key come twice, the later
    /// one counts.
    pub fn entries(self) -> Entries<'p> {
        match self.shape() {
            Shape::Dict(Some(node)) => Entries { items: node.raw_items(), pairs: false },
            Shape::Pairs(node) => Entries { items: node.raw_items(), pairs: true },
            _ => Entries { items: Items::none(self.pickle), pairs: false },
        }
    }

    /// A dict's value for a text key, by looking at every entry: for dicts of a few keys.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(self, key: &str) -> Result<Option<Node<'p>>> {
        let mut found = None;
        for (name, value) in self.entries() {
            if name.is_text(key)? {
                found = Some(value);
            }
        }
        Ok(found)
    }

    /// The class of an object, or the function whose call would give it; the name, of a class or function.
    /// `None` for anything else, and where what is called is no plain name.
    pub fn class(self) -> Option<Class<'p>> {
        if self.value.tag() == Tag::Global {
            return self.as_class();
        }
        let class = self.callable()?.as_class()?;
        match class.known {
            // Protocols 0 and 1 spell `cls.__new__(cls)` as a call of these.
            Some(Known::Reconstructor | Known::NewObject) => self.raw_args().next()?.as_class(),
            _ => Some(class),
        }
    }

    /// Which class or function of the allow-list made this object.
    pub(crate) fn known(self) -> Option<Known> {
        if self.value.tag() == Tag::Node { self.class()?.known } else { None }
    }

    fn as_class(self) -> Option<Class<'p>> {
        let name = Some(self.value).filter(|value| value.tag() == Tag::Global)?;
        self.pickle.arena.class(name.index())
    }

    fn slot(self, slot: u32) -> Option<Node<'p>> {
        if self.value.tag() != Tag::Node {
            return None;
        }
        self.pickle.arena.slot(self.value.index(), slot).map(|value| self.with(value))
    }

    pub(crate) fn callable(self) -> Option<Node<'p>> {
        self.slot(SLOT_CALLABLE)
    }

    fn raw_args(self) -> Items<'p> {
        self.slot(SLOT_ARGS).map_or(Items::none(self.pickle), Node::raw_items)
    }

    /// What an object was called or made with.
    pub fn args(self) -> Items<'p> {
        let mut args = self.raw_args();
        args.skip_items(match self.callable().and_then(Node::as_class).and_then(|class| class.known) {
            Some(Known::Reconstructor) => 2,
            Some(Known::NewObject) => 1,
            _ => 0,
        });
        args
    }

    /// What BUILD gave an object: usually its `__dict__`.
    pub fn state(self) -> Option<Node<'p>> {
        self.slot(SLOT_STATE).filter(|state| !state.is_none())
    }

    /// What was appended to an object, or set in it.
    pub(crate) fn content(self) -> Option<Node<'p>> {
        self.slot(SLOT_CONTENT).filter(|content| !content.is_none())
    }

    /// The dict of an object's attributes: its state, or what the state holds as `__dict__` (pydantic), or the
    /// first of a pair of it and the slots (`copyreg`).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn attributes(self) -> Result<Option<Node<'p>>> {
        let Some(mut state) = self.state() else { return Ok(None) };
        if state.kind() == Kind::Tuple {
            match state.items().take(2).find(|part| part.kind() == Kind::Dict) {
                Some(part) => state = part,
                None => return Ok(None),
            }
        }
        // Objects may share a state, so what is looked through for each must be small. One with more attributes is
        // taken as it is.
        if state.len() > ATTRIBUTES {
            return Ok(Some(state));
        }
        Ok(match state.get("__dict__")? {
            Some(inner) if inner.kind() == Kind::Dict => Some(inner),
            _ => Some(state),
        })
    }

    /// An attribute of an object.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn attribute(self, name: &str) -> Result<Option<Node<'p>>> {
        match self.attributes()? {
            Some(attributes) => attributes.get(name),
            None => Ok(None),
        }
    }

    /// Where it stands: `[3]['meta']`; "" for the pickled value itself. Walks the graph: for errors, and not for a
    /// million of them; after some dozens of walks over a large graph it says "(somewhere)".
    pub fn path(self) -> String {
        let pickle = self.pickle;
        let mut render = |key: Value| Node { pickle, value: key }.brief();
        let mut budget = pickle.path_budget.get();
        let found = path::find(&pickle.arena, pickle.root, self.value, &mut render, &mut budget);
        pickle.path_budget.set(budget);
        found.unwrap_or_else(|| "(somewhere)".to_owned())
    }

    /// A scalar in a few letters, for messages.
    pub(crate) fn brief(self) -> String {
        match self.kind() {
            Kind::Str => match self.text_bytes() {
                Ok(len) if len <= 1024 => match self.text() {
                    Ok(Some(text)) => format!("'{}'", text::excerpt(&text.string)),
                    _ => "…".to_owned(),
                },
                _ => "…".to_owned(),
            },
            Kind::Int => match self.integer() {
                Ok(Some(Integer::Small(number))) => number.to_string(),
                _ => "…".to_owned(),
            },
            Kind::None => "None".to_owned(),
            Kind::Bool => if self.as_bool() == Some(true) { "True" } else { "False" }.to_owned(),
            _ => "…".to_owned(),
        }
    }

    /// What it is in words: "a list", "an object of class a.b", "a call of a.b".
    pub fn describe(self) -> String {
        match self.kind() {
            Kind::None => "None".to_owned(),
            Kind::Bool => "a bool".to_owned(),
            Kind::Int => "a whole number".to_owned(),
            Kind::Float => "a float".to_owned(),
            Kind::Str => "a text".to_owned(),
            Kind::Bytes => "bytes".to_owned(),
            Kind::List => "a list".to_owned(),
            Kind::Tuple => "a tuple".to_owned(),
            Kind::Set => "a set".to_owned(),
            Kind::Dict => "a dict".to_owned(),
            Kind::Global => self.class().map_or("a name".to_owned(), |class| format!("the name {class}")),
            Kind::Object => self.class().map_or("the result of a call that is not made".to_owned(), |class| {
                format!("an object made by {class}")
            }),
        }
    }

    /// An error about this value, with the file and the value's path.
    pub fn error(self, kind: ErrorKind, code: &str, message: impl Into<String>) -> Error {
        let file = self.pickle.file();
        let path = self.path();
        let path = if path.is_empty() { "(the whole value)".to_owned() } else { path };
        Error::new(kind, code, message).at("file", file.name()).at("node", path)
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.pickle, other.pickle) && self.value == other.value
    }
}

/// For telling short texts apart quickly, not against anybody.
fn digest(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |digest: u64, word: u64| (digest.rotate_left(23) ^ word).wrapping_mul(ODD);
    let mut words = bytes.chunks_exact(8);
    let digest = words.by_ref().fold(bytes.len() as u64, |digest, word| {
        mix(digest, word.try_into().map(u64::from_le_bytes).unwrap_or_default())
    });
    words.remainder().iter().fold(digest, |digest, &byte| mix(digest, u64::from(byte)))
}

fn as_container(node: Node<'_>) -> Option<Node<'_>> {
    node.node_kind().filter(|kind| *kind != NodeKind::Object).map(|_| node)
}
