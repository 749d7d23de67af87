/*!
A loaded pickle and its values, to be asked.

[`Pickle`] owns the graph; [`Node`] is a value of it, cheap to copy. A node decodes what it is asked for
from the file: nothing else is held. Containers that Python's standard library offers over the plain ones
(`OrderedDict`, `defaultdict`, `deque`, `set(...)`, `bytearray(...)`, `_codecs.encode(...)`) look like what
they are: dicts, sequences, bytes.
*/

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use vecferry_sdk::{Error, ErrorKind, File, Result};

use crate::arena::{Arena, NodeKind, SLOT_ARGS, SLOT_CALLABLE, SLOT_CONTENT, SLOT_STATE, Steps};
use crate::blob::Blob;
use crate::input::Input;
use crate::limits::Limits;
use crate::number::{self, Integer};
use crate::text::Text;
use crate::value::{Tag, Value};
use crate::{machine, path, span, text};

/// A pickle, read: its graph, and the file that holds its texts.
pub struct Pickle {
    pub(crate) arena: Arena,
    root: Value,
    protocol: u8,
    bytes: u64,
    input: RefCell<Input>,
    /// Short texts by offset: dict keys are asked for once per record.
    keys: RefCell<HashMap<u64, Rc<str>>>,
}

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
pub struct Handle(Value);

/// A place in a sequence without its pickle: see [`Items::place`].
#[derive(Clone, Copy, Debug)]
pub struct Place(Steps);

const ASK_BLOCK: u32 = 64 * 1024;
const KEY_BYTES: u64 = 64;
const KEYS: usize = 4096;

impl Pickle {
    /// Reads the pickle at the file's start. Nothing is executed; bytes behind its end are not read.
    ///
    /// # Errors
    /// `pickle/corrupt`, `pickle/truncated`, `pickle/not-a-pickle` (corrupt) with the offset;
    /// `pickle/too-large`, `pickle/protocol`, `pickle/external` (unsupported; the last for persistent ids,
    /// extension codes and out-of-band buffers, with the path).
    pub fn load(file: File, limits: &Limits) -> Result<Pickle> {
        let built = machine::run(file.clone(), limits)?;
        let pickle = Pickle {
            arena: built.arena,
            root: built.root,
            protocol: built.protocol,
            bytes: built.bytes,
            input: RefCell::new(Input::new(file, ASK_BLOCK)),
            keys: RefCell::new(HashMap::new()),
        };
        match built.external {
            Some(value) => Err(pickle.external(value)),
            None => Ok(pickle),
        }
    }

    fn external(&self, value: Value) -> Error {
        use crate::opcode as op;
        let opcode = self.read(|input| {
            input.seek(value.offset());
            input.u8()
        });
        let what = match opcode {
            Ok(op::PERSID | op::BINPERSID) => "a persistent id",
            Ok(op::NEXT_BUFFER) => "an out-of-band buffer",
            Ok(_) => "an extension code",
            Err(error) => return error,
        };
        Node { pickle: self, value }
            .error(ErrorKind::Unsupported, "pickle/external", format!("the pickle refers to {what}, which only the program that wrote it can resolve"))
            .hint("write the data again with pickle.dump and without a persistent_id, a registered extension or a buffer_callback")
    }

    pub(crate) fn read<T>(&self, ask: impl FnOnce(&mut Input) -> Result<T>) -> Result<T> {
        ask(&mut self.input.borrow_mut())
    }

    /// The value that was pickled.
    pub fn root(&self) -> Node<'_> {
        Node { pickle: self, value: self.root }
    }

    /// The value behind a handle that was taken from this pickle.
    pub fn node(&self, handle: Handle) -> Node<'_> {
        Node { pickle: self, value: handle.0 }
    }

    /// Continues a walk over a sequence of this pickle.
    pub fn items_from(&self, place: Place) -> Items<'_> {
        Items { pickle: self, steps: place.0 }
    }

    /// The file.
    pub fn file(&self) -> File {
        self.input.borrow().file().clone()
    }

    /// The highest protocol it announces; 0 or 1 for one that announces none.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Bytes behind the pickle's end. `pickle.load` ignores them too; they may be a second pickle.
    pub fn trailing_bytes(&self) -> u64 {
        self.file().size().saturating_sub(self.bytes)
    }

    /// Bytes of memory that the graph takes.
    pub fn memory(&self) -> u64 {
        self.arena.bytes()
    }

    fn key(&self, offset: u64) -> Result<Option<Rc<str>>> {
        if let Some(key) = self.keys.borrow().get(&offset) {
            return Ok(Some(key.clone()));
        }
        if self.read(|input| text::encoded_len(input, offset))? > KEY_BYTES {
            return Ok(None);
        }
        let key: Rc<str> = self.read(|input| text::read(input, offset))?.string.into();
        let mut keys = self.keys.borrow_mut();
        if keys.len() >= KEYS {
            keys.clear();
        }
        keys.insert(offset, key.clone());
        Ok(Some(key))
    }
}

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
        let Some(class) = self.class() else { return Shape::Object };
        let content = self.content();
        let arg = |n: usize| self.args().nth(n);
        match class.standard() {
            Some(("builtins", "bytearray" | "bytes")) => match arg(0) {
                None => Shape::EmptyBytes,
                Some(bytes) if bytes.kind() == Kind::Bytes => bytes.shape_of_bytes(),
                Some(text) if text.kind() == Kind::Str && arg(1).is_some() => Shape::Latin1(text),
                Some(_) => Shape::Object,
            },
            Some(("_codecs", "encode")) => match arg(0) {
                Some(text) if text.value.tag() == Tag::Text => Shape::Latin1(text),
                _ => Shape::Object,
            },
            Some(("builtins", "set" | "frozenset")) => {
                Shape::Sequence(Kind::Set, content.or(arg(0)).and_then(as_container))
            }
            Some(("builtins", "list")) => Shape::Sequence(Kind::List, content.or(arg(0)).and_then(as_container)),
            Some(("builtins", "tuple")) => Shape::Sequence(Kind::Tuple, arg(0).and_then(as_container)),
            Some(("collections", "deque")) => Shape::Sequence(Kind::List, content.or(arg(0)).and_then(as_container)),
            Some(("collections", "defaultdict")) => Shape::Dict(content),
            Some(("builtins", "dict") | ("collections", "OrderedDict" | "Counter")) => match (content, arg(0)) {
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
            Tag::Long => self.pickle.read(|input| number::read_integer(input, self.value.offset())).map(Some),
            _ => Ok(None),
        }
    }

    /// The number, of a `float` or an `int`; `None` for anything else.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn as_f64(self) -> Result<Option<f64>> {
        if self.value.tag() == Tag::Float {
            return self.pickle.read(|input| number::read_float(input, self.value.offset())).map(Some);
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
            Tag::Text | Tag::Text8 => self.pickle.read(|input| text::read(input, self.value.offset())).map(Some),
            _ => Ok(None),
        }
    }

    /// Bytes that a text takes in the file: tells before reading how much it is. 0 for anything else.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text_bytes(self) -> Result<u64> {
        match self.value.tag() {
            Tag::Text | Tag::Text8 => self.pickle.read(|input| text::encoded_len(input, self.value.offset())),
            _ => Ok(0),
        }
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
            && let Some(key) = self.pickle.key(self.value.offset())?
        {
            return Ok(&*key == text);
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
        let locate = |node: Node<'p>| self.pickle.read(|input| span::locate(input, node.value.offset()));
        match self.shape() {
            Shape::Bytes(bytes) => Ok(Some(Blob::new(self.pickle.file(), locate(bytes)?))),
            Shape::Latin1(text) => Ok(Some(Blob::new(self.pickle.file(), locate(text)?))),
            Shape::EmptyBytes => Ok(Some(Blob::empty(self.pickle.file()))),
            Shape::Plain(value) if value.tag() == Tag::Text8 => Ok(Some(Blob::new(self.pickle.file(), locate(self)?))),
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
            _ => Items { pickle: self.pickle, steps: Steps::empty() },
        }
    }

    /// The keys and values of a dict, in order; nothing for anything else. Should a key come twice, the later
    /// one counts.
    pub fn entries(self) -> Entries<'p> {
        match self.shape() {
            Shape::Dict(Some(node)) => Entries { items: node.raw_items(), pairs: false },
            Shape::Pairs(node) => Entries { items: node.raw_items(), pairs: true },
            _ => Entries { items: Items { pickle: self.pickle, steps: Steps::empty() }, pairs: false },
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
        let callable = match self.value.tag() {
            Tag::Global => self,
            _ => self.callable()?,
        };
        let class = callable.as_class()?;
        // Protocols 0 and 1 spell `cls.__new__(cls)` as a call of these.
        match (class.module, class.name) {
            ("copyreg" | "copy_reg", "_reconstructor" | "__newobj__" | "__newobj_ex__")
                if self.value.tag() == Tag::Node =>
            {
                self.raw_args().next()?.as_class()
            }
            _ => Some(class),
        }
    }

    fn as_class(self) -> Option<Class<'p>> {
        let name = Some(self.value).filter(|value| value.tag() == Tag::Global)?;
        let name = self.pickle.arena.name(name.index())?;
        Some(Class { module: &name.module, name: &name.name })
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
        self.slot(SLOT_ARGS).map_or(Items { pickle: self.pickle, steps: Steps::empty() }, Node::raw_items)
    }

    /// What an object was called or made with.
    pub fn args(self) -> Items<'p> {
        let callable = self.callable().and_then(Node::as_class);
        let skip = match callable {
            Some(Class { module: "copyreg" | "copy_reg", name: "_reconstructor" }) => 2,
            Some(Class { module: "copyreg" | "copy_reg", name: "__newobj__" | "__newobj_ex__" }) => 1,
            _ => 0,
        };
        let mut args = self.raw_args();
        args.skip_items(skip);
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

    /// An attribute of an object. The state may be its `__dict__`, may hold it under that name (pydantic), or
    /// may be a pair of it and the slots (`copyreg`).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn attribute(self, name: &str) -> Result<Option<Node<'p>>> {
        let Some(state) = self.state() else { return Ok(None) };
        if state.kind() == Kind::Tuple {
            for part in state.items().take(2) {
                if let Some(found) = part.get(name)? {
                    return Ok(Some(found));
                }
            }
            return Ok(None);
        }
        match state.get("__dict__")? {
            Some(inner) if inner.kind() == Kind::Dict => inner.get(name),
            _ => state.get(name),
        }
    }

    /// Where it stands: `[3]['meta']`; "" for the pickled value itself. Walks the graph: for errors.
    pub fn path(self) -> String {
        let pickle = self.pickle;
        let mut render = |key: Value| Node { pickle, value: key }.brief();
        path::find(&pickle.arena, pickle.root, self.value, &mut render).unwrap_or_else(|| "(nowhere)".to_owned())
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

fn as_container(node: Node<'_>) -> Option<Node<'_>> {
    node.node_kind().filter(|kind| *kind != NodeKind::Object).map(|_| node)
}

/// A class's or function's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class<'p> {
    /// `langchain_core.documents.base`
    pub module: &'p str,
    /// `Document`; nested ones with dots.
    pub name: &'p str,
}

impl<'p> Class<'p> {
    /// The name, with the module that Python 3 has it in; `None` for what is not in the standard library.
    pub(crate) fn standard(self) -> Option<(&'static str, &'p str)> {
        let module = match self.module {
            "builtins" | "__builtin__" => "builtins",
            "collections" => "collections",
            "_codecs" => "_codecs",
            "datetime" => "datetime",
            "decimal" | "_decimal" | "_pydecimal" => "decimal",
            "uuid" => "uuid",
            "fractions" => "fractions",
            "zoneinfo" => "zoneinfo",
            // 3.13 moved the classes into a package.
            "pathlib" | "pathlib._local" => "pathlib",
            "array" => "array",
            _ => return None,
        };
        Some((module, self.name))
    }
}

impl std::fmt::Display for Class<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", text::excerpt(self.module), text::excerpt(self.name))
    }
}

/// The values of a sequence.
#[derive(Clone)]
pub struct Items<'p> {
    pickle: &'p Pickle,
    steps: Steps,
}

impl Items<'_> {
    /// This place, to go on from with [`Pickle::items_from`].
    pub fn place(&self) -> Place {
        Place(self.steps)
    }

    /// Moves over `count` values; cheaper than taking them.
    pub fn skip_items(&mut self, count: usize) {
        self.steps.skip(&self.pickle.arena, u32::try_from(count).unwrap_or(u32::MAX));
    }
}

impl<'p> Iterator for Items<'p> {
    type Item = Node<'p>;

    fn next(&mut self) -> Option<Node<'p>> {
        self.steps.next(&self.pickle.arena).map(|value| Node { pickle: self.pickle, value })
    }
}

/// The keys and values of a dict.
#[derive(Clone)]
pub struct Entries<'p> {
    items: Items<'p>,
    /// Each item is a (key, value) sequence.
    pairs: bool,
}

impl<'p> Iterator for Entries<'p> {
    type Item = (Node<'p>, Node<'p>);

    fn next(&mut self) -> Option<(Node<'p>, Node<'p>)> {
        if self.pairs {
            let mut pair = self.items.next()?.raw_items();
            return Some((pair.next()?, pair.next()?));
        }
        Some((self.items.next()?, self.items.next()?))
    }
}
