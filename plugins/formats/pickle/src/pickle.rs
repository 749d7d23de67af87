/*! A loaded pickle: the graph, and the file that its texts stay in. */

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use vecferry_sdk::{Error, ErrorKind, File, Result};

use crate::arena::Arena;
use crate::document::Words;
use crate::dtype::DType;
use crate::input::Input;
use crate::limits::Limits;
use crate::node::{Handle, Node};
use crate::opcode as op;
use crate::value::Value;
use crate::walk::{Entries, Items, Place};
use crate::windows::Windows;
use crate::{machine, text};

/// A pickle, read: its graph, and the file that holds its texts.
pub struct Pickle {
    pub(crate) arena: Arena,
    pub(crate) root: Value,
    protocol: u8,
    bytes: u64,
    file: File,
    windows: RefCell<Windows>,
    /// Short texts by offset: dict keys are asked for once per record.
    keys: RefCell<Keys>,
    pub(crate) words: RefCell<Words>,
    /// Values that may still be looked at to tell where others stand.
    pub(crate) path_budget: Cell<u64>,
    /// Array types by node: an array per record shares one.
    pub(crate) types: RefCell<HashMap<Value, DType>>,
}

/// Texts up to this length are kept once they were asked for as a key.
pub(crate) const KEY_BYTES: u64 = 64;
const KEYS_BITS: u32 = 10;
const TYPES: usize = 1024;
const PATH_VALUES: u64 = 1 << 28;

/// The last short texts by their offsets: a table that each offset has one place in.
#[derive(Default)]
struct Keys {
    slots: Vec<Option<(u64, Rc<str>)>>,
}

impl Keys {
    fn place(offset: u64) -> usize {
        // Fibonacci hashing: keys stand at offsets that differ by a few bytes.
        (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - KEYS_BITS)) as usize
    }

    fn get(&self, offset: u64) -> Option<&Rc<str>> {
        let (kept, key) = self.slots.get(Self::place(offset))?.as_ref()?;
        (*kept == offset).then_some(key)
    }

    fn put(&mut self, offset: u64, key: Rc<str>) {
        if self.slots.is_empty() {
            self.slots.resize(1 << KEYS_BITS, None);
        }
        if let Some(slot) = self.slots.get_mut(Self::place(offset)) {
            *slot = Some((offset, key));
        }
    }
}

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
            windows: RefCell::new(Windows::new(&file)),
            file,
            keys: RefCell::new(Keys::default()),
            words: RefCell::new(Words::new()),
            types: RefCell::new(HashMap::new()),
            path_budget: Cell::new(PATH_VALUES),
        };
        match built.external {
            Some(value) => Err(pickle.external(value)),
            None => Ok(pickle),
        }
    }

    fn external(&self, value: Value) -> Error {
        let opcode = self.read(value.offset(), |input, offset| {
            input.seek(offset);
            input.u8()
        });
        let what = match opcode {
            Ok(op::PERSID | op::BINPERSID) => "a persistent id",
            Ok(op::NEXT_BUFFER) => "an out-of-band buffer",
            Ok(_) => "an extension code",
            Err(error) => return error,
        };
        let message = format!("the pickle refers to {what}, which only the program that wrote it can resolve");
        Node { pickle: self, value }
            .error(ErrorKind::Unsupported, "pickle/external", message)
            .at("offset", value.offset())
            .hint("write the data again with pickle.dump, without persistent_id, copyreg extension or buffer_callback")
    }

    /// Asks the file about what stands at `offset`.
    pub(crate) fn read<T>(&self, offset: u64, ask: impl FnOnce(&mut Input, u64) -> Result<T>) -> Result<T> {
        ask(self.windows.borrow_mut().at(offset), offset)
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
        Items { pickle: self, steps: place.steps }
    }

    /// Continues a walk over a dict of this pickle.
    pub fn entries_from(&self, place: Place) -> Entries<'_> {
        Entries { items: self.items_from(place), pairs: place.pairs }
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The highest protocol it announces; 0 for one that announces none (protocols 0 and 1).
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Bytes behind the pickle's end. `pickle.load` ignores them too; they may be a second pickle.
    pub fn trailing_bytes(&self) -> u64 {
        self.file.size().saturating_sub(self.bytes)
    }

    /// Bytes of memory that the graph takes.
    pub fn memory(&self) -> u64 {
        self.arena.bytes()
    }

    /// Hands over the text whose opcode stands at `offset`, if it is one of at most `max` bytes that lies in the file as
    /// it is. `take` must not ask the pickle for anything.
    pub(crate) fn plain_text<T>(&self, offset: u64, max: u64, take: impl FnOnce(&str) -> T) -> Result<Option<T>> {
        self.read(offset, |input, offset| Ok(text::plain(input, offset, max)?.map(take)))
    }

    /// Whether a short text is this one; `None` for what [`Pickle::key`] has no answer for.
    pub(crate) fn key_is(&self, offset: u64, text: &str) -> Result<Option<bool>> {
        if let Some(key) = self.keys.borrow().get(offset) {
            return Ok(Some(&**key == text));
        }
        Ok(self.key(offset)?.map(|key| &*key == text))
    }

    /// A short text, from memory when it was asked for before; `None` for a longer one, and for one that
    /// could not be taken as it is.
    pub(crate) fn key(&self, offset: u64) -> Result<Option<Rc<str>>> {
        let kept = self.keys.borrow().get(offset).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        if self.read(offset, text::encoded_len)? > KEY_BYTES {
            return Ok(None);
        }
        let text = self.read(offset, text::read)?;
        if text.surrogates > 0 || text.guessed {
            return Ok(None);
        }
        let key: Rc<str> = text.string.into();
        self.keys.borrow_mut().put(offset, key.clone());
        Ok(Some(key))
    }

    pub(crate) fn keep_type(&self, node: Value, dtype: DType) {
        let mut types = self.types.borrow_mut();
        if types.len() >= TYPES {
            types.clear();
        }
        types.insert(node, dtype);
    }
}
