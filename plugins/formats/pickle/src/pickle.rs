/*! A loaded pickle: the graph, and the file that its texts stay in. */

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use vecferry_sdk::{Error, ErrorKind, File, Result};

use crate::arena::Arena;
use crate::dtype::DType;
use crate::input::Input;
use crate::limits::Limits;
use crate::node::{Handle, Node};
use crate::opcode as op;
use crate::value::Value;
use crate::walk::{Entries, Items, Place};
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
    keys: RefCell<HashMap<u64, Rc<str>>>,
    /// Values that may still be looked at to tell where others stand.
    pub(crate) path_budget: Cell<u64>,
    /// Array types by node: an array per record shares one.
    pub(crate) types: RefCell<HashMap<Value, DType>>,
}

/// Two views of the file: one that moves on with the records, one for values that records share and that
/// stand far behind. Without the second, each of them would cost two blocks.
struct Windows {
    onward: Input,
    aside: Input,
    /// How often in a row the aside view was moved on a little: then it is the records that are there.
    streak: u32,
}

const ONWARD_BLOCK: u32 = 128 * 1024;
const ASIDE_BLOCK: u32 = 4 * 1024;
const STREAK: u32 = 8;

/// Texts up to this length are kept once they were asked for as a key.
pub(crate) const KEY_BYTES: u64 = 64;
const KEYS: usize = 4096;
const TYPES: usize = 1024;
const PATH_VALUES: u64 = 1 << 28;

impl Windows {
    fn at(&mut self, offset: u64) -> &mut Input {
        if !self.onward.holds(offset) && (self.aside.holds(offset) || offset < self.onward.offset()) {
            let moves_on = offset >= self.aside.offset() && offset - self.aside.offset() < u64::from(ONWARD_BLOCK);
            if !self.aside.holds(offset) {
                self.streak = if moves_on { self.streak + 1 } else { 0 };
            }
            if self.streak < STREAK {
                return &mut self.aside;
            }
            self.streak = 0;
        }
        &mut self.onward
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
        let windows = Windows {
            onward: Input::new(file.clone(), ONWARD_BLOCK),
            aside: Input::new(file.clone(), ASIDE_BLOCK),
            streak: 0,
        };
        let pickle = Pickle {
            arena: built.arena,
            root: built.root,
            protocol: built.protocol,
            bytes: built.bytes,
            file,
            windows: RefCell::new(windows),
            keys: RefCell::new(HashMap::new()),
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

    /// A short text, from memory when it was asked for before; `None` for a longer one, and for one that
    /// could not be taken as it is.
    pub(crate) fn key(&self, offset: u64) -> Result<Option<Rc<str>>> {
        if let Some(key) = self.keys.borrow().get(&offset) {
            return Ok(Some(key.clone()));
        }
        if self.read(offset, text::encoded_len)? > KEY_BYTES {
            return Ok(None);
        }
        let text = self.read(offset, text::read)?;
        if text.surrogates > 0 || text.guessed {
            return Ok(None);
        }
        let key: Rc<str> = text.string.into();
        let mut keys = self.keys.borrow_mut();
        if keys.len() >= KEYS {
            keys.clear();
        }
        keys.insert(offset, key.clone());
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
