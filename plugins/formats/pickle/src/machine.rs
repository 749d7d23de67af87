/*!
The stack machine. It knows what the opcodes build, and nothing of what a class or function does: GLOBAL
gives a name, REDUCE and its kin give an object that remembers its callable and its arguments. There is
nothing in it that could be executed.

Time is linear in the file; memory is checked against the budget; the machine never recurses.
*/

use std::collections::HashMap;

use vecferry_sdk::{Error, File, Result};

use crate::arena::{Arena, Full, Name, NodeKind, SLOT_CONTENT, SLOT_STATE};
use crate::input::Input;
use crate::limits::Limits;
use crate::memo::Memo;
use crate::opcode as op;
use crate::value::{Tag, Value};
use crate::{fetched, number, text};

/// What a pickle gave.
pub(crate) struct Built {
    pub(crate) arena: Arena,
    pub(crate) root: Value,
    /// Bytes of the pickle itself, up to and with STOP.
    pub(crate) bytes: u64,
    /// The highest protocol that it announces.
    pub(crate) protocol: u8,
    /// The first value that the file leaves to its reader.
    pub(crate) external: Option<Value>,
}

/// Below the 128 KiB from which allocators commonly ask the system for every block anew.
const BLOCK: u32 = 120 * 1024;
/// Module and class names; longer ones are no names.
const NAME_BYTES: u64 = 1024;
/// Digits of a decimal number as text; CPython itself stops at 4,300 since 3.11.
const NUMBER_BYTES: u64 = 16 * 1024;
/// How many opcodes pass between two looks at the budget. Each adds less than 100 bytes.
const OPS_PER_CHECK: u32 = 4096;

struct Machine {
    input: Input,
    /// For names that stand far behind: the main input keeps its block.
    aside: Input,
    arena: Arena,
    stack: Vec<Value>,
    /// Heights of the stack at each open mark.
    marks: Vec<usize>,
    memo: Memo,
    /// STACK_GLOBAL by its two operands.
    names: HashMap<(Value, Value), Value>,
    limits: Limits,
    protocol: u8,
    external: Option<Value>,
    /// The current opcode and its offset.
    opcode: u8,
    at: u64,
}

/// Runs the pickle at the file's start.
pub(crate) fn run(file: File, limits: &Limits) -> Result<Built> {
    let numbers = if file.size() >= limits.two_passes_from { fetched::numbers(&file) } else { None };
    let mut machine = Machine {
        input: Input::new(file.clone(), BLOCK),
        aside: Input::new(file, 4096),
        arena: Arena::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: numbers.map_or_else(Memo::new, Memo::of_fetched),
        names: HashMap::new(),
        limits: *limits,
        protocol: 0,
        external: None,
        opcode: 0,
        at: 0,
    };
    let root = machine.run()?;
    let bytes = machine.input.offset();
    Ok(Built { arena: machine.arena, root, bytes, protocol: machine.protocol, external: machine.external })
}

impl Machine {
    fn run(&mut self) -> Result<Value> {
        if self.input.size() == 0 {
            return Err(self.input.corrupt("the file is empty: it holds no pickle"));
        }
        let head = self.input.file().read_at(0, 8)?;
        if let Some(error) = text::foreign(&head) {
            return Err(error.at("file", self.input.file().name()).at("offset", 0));
        }
        loop {
            for _ in 0..OPS_PER_CHECK {
                self.at = self.input.offset();
                self.opcode = match self.input.near() {
                    Some(opcode) => opcode,
                    None if self.input.remaining() == 0 => return Err(self.without_stop()),
                    None => self.input.u8()?,
                };
                if self.opcode == op::STOP {
                    return self.pop();
                }
                self.step()?;
            }
            self.check_budget()?;
        }
    }

    fn without_stop(&self) -> Error {
        Error::corrupt("pickle/truncated", "the pickle ends without STOP")
            .at("file", self.input.file().name())
            .at("offset", self.at)
            .hint("the file is damaged or was not written to its end; write it again, or restore it")
    }

    fn check_budget(&self) -> Result<()> {
        let stack = (self.stack.capacity() + self.marks.capacity()) as u64 * 8 + self.names.len() as u64 * 40;
        let used = self.arena.bytes() + self.memo.bytes() + stack;
        if used > self.limits.memory {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn too_large(&self) -> Error {
        let mib = self.limits.memory >> 20;
        Error::unsupported(
            "pickle/too-large",
            format!("the pickle needs more than {mib} MiB of memory, without its texts and arrays"),
        )
        .at("file", self.input.file().name())
        .at("offset", self.at)
        .hint("split the store into several files")
    }

    fn corrupt(&self, what: impl std::fmt::Display) -> Error {
        let name = op::name(self.opcode).unwrap_or("?");
        Error::corrupt("pickle/corrupt", format!("no valid pickle: {name} {what}"))
            .at("file", self.input.file().name())
            .at("offset", self.at)
    }

    fn full(&self, _: Full) -> Error {
        self.too_large()
    }

    /// The stack's height at the innermost mark.
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value> {
        if self.stack.len() > self.fence()
            && let Some(&value) = self.stack.last()
        {
            return Ok(value);
        }
        Err(self.corrupt("finds nothing on the stack"))
    }

    fn pop(&mut self) -> Result<Value> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    /// Takes the values above the innermost mark, and the mark. They stay in `stack` above the returned
    /// height, to be used and then truncated.
    fn pop_mark(&mut self) -> Result<usize> {
        self.marks.pop().ok_or_else(|| self.corrupt("finds no mark on the stack"))
    }

    fn above(&self, height: usize) -> &[Value] {
        self.stack.get(height..).unwrap_or_default()
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn push_node(&mut self, kind: NodeKind, values: &[Value]) -> Result<()> {
        let node = self.arena.add(kind, values).map_err(|full| self.full(full))?;
        self.push(Value::node(node));
        Ok(())
    }

    /// Replaces everything above `height` by a node that holds it.
    fn gather(&mut self, kind: NodeKind, height: usize) -> Result<()> {
        let values = self.stack.get(height..).unwrap_or_default();
        let node = if values.is_empty() && kind == NodeKind::Tuple {
            Value::EMPTY_TUPLE
        } else {
            match self.arena.add(kind, values) {
                Ok(node) => Value::node(node),
                Err(full) => return Err(self.full(full)),
            }
        };
        self.stack.truncate(height);
        self.push(node);
        Ok(())
    }

    fn gather_tuple(&mut self, count: usize) -> Result<()> {
        let height = self.stack.len().checked_sub(count).filter(|&height| height >= self.fence());
        let height = height.ok_or_else(|| self.corrupt("finds too little on the stack"))?;
        self.gather(NodeKind::Tuple, height)
    }

    fn step(&mut self) -> Result<()> {
        match self.opcode {
            op::MARK => self.marks.push(self.stack.len()),
            op::POP => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            op::POP_MARK => {
                let height = self.pop_mark()?;
                self.stack.truncate(height);
            }
            op::DUP => {
                let value = self.top()?;
                self.push(value);
            }
            op::PROTO => {
                let protocol = self.input.u8()?;
                if protocol > 5 {
                    return Err(Error::unsupported(
                        "pickle/protocol",
                        format!("pickle protocol {protocol} is not known; protocols 0 to 5 are"),
                    )
                    .at("file", self.input.file().name())
                    .at("offset", self.at));
                }
                self.protocol = self.protocol.max(protocol);
            }
            op::FRAME => {
                let bytes = self.input.u64()?;
                self.input.need(bytes)?;
            }

            op::NONE => self.push(Value::NONE),
            op::NEWTRUE => self.push(Value::bool(true)),
            op::NEWFALSE => self.push(Value::bool(false)),
            op::BININT1 => {
                let number = self.input.u8()?;
                self.push_int(i64::from(number));
            }
            op::BININT2 => {
                let number = self.input.u16()?;
                self.push_int(i64::from(number));
            }
            op::BININT => {
                let number = self.input.i32()?;
                self.push_int(i64::from(number));
            }
            op::INT | op::LONG => self.int_text()?,
            op::LONG1 => {
                let len = u64::from(self.input.u8()?);
                self.long(len)?;
            }
            op::LONG4 => {
                let len = self.input.i32()?;
                let len = u64::try_from(len).map_err(|_| self.corrupt("has a negative length"))?;
                self.long(len)?;
            }
            op::BINFLOAT => {
                self.input.skip(8)?;
                self.push(Value::at(Tag::Float, self.at));
            }
            op::FLOAT => {
                let line = self.input.short_line(NUMBER_BYTES)?;
                if number::float(&line).is_none() {
                    return Err(self.corrupt("is followed by something that is no number"));
                }
                self.push(Value::at(Tag::Float, self.at));
            }

            op::BINUNICODE => {
                let len = u64::from(self.input.u32()?);
                self.ranged(Tag::Text, len)?;
            }
            op::SHORT_BINUNICODE => {
                let len = u64::from(self.input.u8()?);
                self.ranged(Tag::Text, len)?;
            }
            op::BINUNICODE8 => {
                let len = self.input.u64()?;
                self.ranged(Tag::Text, len)?;
            }
            op::BINSTRING => {
                let len = self.input.i32()?;
                let len = u64::try_from(len).map_err(|_| self.corrupt("has a negative length"))?;
                self.ranged(Tag::Text8, len)?;
            }
            op::SHORT_BINSTRING => {
                let len = u64::from(self.input.u8()?);
                self.ranged(Tag::Text8, len)?;
            }
            op::BINBYTES => {
                let len = u64::from(self.input.u32()?);
                self.ranged(Tag::Bytes, len)?;
            }
            op::SHORT_BINBYTES => {
                let len = u64::from(self.input.u8()?);
                self.ranged(Tag::Bytes, len)?;
            }
            op::BINBYTES8 | op::BYTEARRAY8 => {
                let len = self.input.u64()?;
                self.ranged(Tag::Bytes, len)?;
            }
            op::UNICODE => {
                self.input.line()?;
                self.push(Value::at(Tag::Text, self.at));
            }
            op::STRING => {
                self.input.line()?;
                self.push(Value::at(Tag::Text8, self.at));
            }

            op::EMPTY_LIST => self.push_node(NodeKind::List, &[])?,
            op::EMPTY_DICT => self.push_node(NodeKind::Dict, &[])?,
            op::EMPTY_SET => self.push_node(NodeKind::Set, &[])?,
            op::EMPTY_TUPLE => self.push(Value::EMPTY_TUPLE),
            op::LIST => {
                let height = self.pop_mark()?;
                self.gather(NodeKind::List, height)?;
            }
            op::TUPLE => {
                let height = self.pop_mark()?;
                self.gather(NodeKind::Tuple, height)?;
            }
            op::FROZENSET => {
                let height = self.pop_mark()?;
                self.gather(NodeKind::FrozenSet, height)?;
            }
            op::DICT => {
                let height = self.pop_mark()?;
                self.check_pairs(height)?;
                self.gather(NodeKind::Dict, height)?;
            }
            op::TUPLE1 => self.gather_tuple(1)?,
            op::TUPLE2 => self.gather_tuple(2)?,
            op::TUPLE3 => self.gather_tuple(3)?,
            op::APPEND => {
                let value = self.pop()?;
                let target = self.top()?;
                self.extend(target, NodeKind::List, &[value])?;
            }
            op::SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                let target = self.top()?;
                self.extend(target, NodeKind::Dict, &[key, value])?;
            }
            op::APPENDS => self.extend_from_mark(NodeKind::List)?,
            op::SETITEMS => self.extend_from_mark(NodeKind::Dict)?,
            op::ADDITEMS => self.extend_from_mark(NodeKind::Set)?,

            op::GLOBAL => {
                let name = self.name_lines()?;
                let value = self.intern(name)?;
                self.push(value);
            }
            op::STACK_GLOBAL => self.stack_global()?,
            op::REDUCE => {
                let args = self.pop_args()?;
                let callable = self.pop()?;
                self.push_object(callable, args, None)?;
            }
            op::NEWOBJ => {
                let args = self.pop_args()?;
                let class = self.pop()?;
                self.push_object(class, args, None)?;
            }
            op::NEWOBJ_EX => {
                let keywords = self.pop()?;
                let args = self.pop_args()?;
                let class = self.pop()?;
                self.push_object(class, args, Some(keywords))?;
            }
            op::INST => {
                let name = self.name_lines()?;
                let class = self.intern(name)?;
                let height = self.pop_mark()?;
                self.gather(NodeKind::Tuple, height)?;
                let args = self.pop()?;
                self.push_object(class, args, None)?;
            }
            op::OBJ => {
                let height = self.pop_mark()?;
                let class = self.above(height).first().copied();
                let class = class.ok_or_else(|| self.corrupt("finds no class above its mark"))?;
                self.gather(NodeKind::Tuple, height + 1)?;
                let args = self.pop()?;
                self.stack.truncate(height);
                self.push_object(class, args, None)?;
            }
            op::BUILD => self.build()?,

            op::GET => {
                let number = self.memo_number()?;
                self.get(number)?;
            }
            op::BINGET => {
                let number = u64::from(self.input.u8()?);
                self.get(number)?;
            }
            op::LONG_BINGET => {
                let number = u64::from(self.input.u32()?);
                self.get(number)?;
            }
            op::PUT => {
                let number = self.memo_number()?;
                self.memo.put(number, self.top()?);
            }
            op::BINPUT => {
                let number = u64::from(self.input.u8()?);
                self.memo.put(number, self.top()?);
            }
            op::LONG_BINPUT => {
                let number = u64::from(self.input.u32()?);
                self.memo.put(number, self.top()?);
            }
            op::MEMOIZE => {
                let value = self.top()?;
                self.memo.memoize(value);
            }

            op::PERSID => {
                self.input.line()?;
                self.push_external();
            }
            op::BINPERSID => {
                self.pop()?;
                self.push_external();
            }
            op::EXT1 => {
                self.input.skip(1)?;
                self.push_external();
            }
            op::EXT2 => {
                self.input.skip(2)?;
                self.push_external();
            }
            op::EXT4 => {
                self.input.skip(4)?;
                self.push_external();
            }
            op::NEXT_BUFFER => self.push_external(),
            // It only takes away the right to write.
            op::READONLY_BUFFER => {
                self.top()?;
            }
            unknown => return Err(self.unknown(unknown)),
        }
        Ok(())
    }

    fn unknown(&self, opcode: u8) -> Error {
        let error = if self.at == 0 {
            Error::corrupt("pickle/not-a-pickle", "the file is no pickle: it starts with no pickle opcode")
        } else {
            Error::corrupt("pickle/corrupt", format!("no valid pickle: 0x{opcode:02x} is no opcode"))
                .hint("the file is damaged; write it again, or restore it")
        };
        error.at("file", self.input.file().name()).at("offset", self.at)
    }

    fn push_int(&mut self, number: i64) {
        self.push(Value::small(number).unwrap_or(Value::at(Tag::Long, self.at)));
    }

    /// INT and LONG of the text protocols.
    fn int_text(&mut self) -> Result<()> {
        let line = self.input.short_line(NUMBER_BYTES)?;
        let value = match (self.opcode, line.as_slice()) {
            (op::INT, b"00") => Value::bool(false),
            (op::INT, b"01") => Value::bool(true),
            (_, digits) => match number::small_integer(digits) {
                Some(number) => Value::small(number).unwrap_or(Value::at(Tag::Long, self.at)),
                None if number::is_integer(digits) => Value::at(Tag::Long, self.at),
                None => return Err(self.corrupt("is followed by something that is no whole number")),
            },
        };
        self.push(value);
        Ok(())
    }

    /// LONG1 and LONG4: `len` bytes, little-endian, two's complement.
    fn long(&mut self, len: u64) -> Result<()> {
        if len > 7 {
            self.input.skip(len)?;
            self.push(Value::at(Tag::Long, self.at));
            return Ok(());
        }
        let bytes = self.input.slice(usize::try_from(len).unwrap_or(0))?;
        let fill = if bytes.last().is_some_and(|&last| last >= 0x80) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        if let Some(low) = wide.get_mut(..bytes.len()) {
            low.copy_from_slice(bytes);
        }
        self.push_int(i64::from_le_bytes(wide));
        Ok(())
    }

    /// `len` bytes that stay in the file.
    fn ranged(&mut self, tag: Tag, len: u64) -> Result<()> {
        self.input.skip(len)?;
        self.push(Value::at(tag, self.at));
        Ok(())
    }

    fn push_external(&mut self) {
        let value = Value::at(Tag::External, self.at);
        self.external.get_or_insert(value);
        self.push(value);
    }

    fn memo_number(&mut self) -> Result<u64> {
        let line = self.input.short_line(32)?;
        let number = number::small_integer(&line).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| self.corrupt("is followed by something that is no memo number"))
    }

    fn get(&mut self, number: u64) -> Result<()> {
        let value = self.memo.get(number);
        let value = value.ok_or_else(|| self.corrupt(format!("asks for memo {number}, which was never set")))?;
        self.push(value);
        Ok(())
    }

    fn check_pairs(&self, height: usize) -> Result<()> {
        if self.above(height).len().is_multiple_of(2) {
            Ok(())
        } else {
            Err(self.corrupt("finds a key without a value"))
        }
    }

    fn extend_from_mark(&mut self, kind: NodeKind) -> Result<()> {
        let height = self.pop_mark()?;
        if kind == NodeKind::Dict {
            self.check_pairs(height)?;
        }
        // Out of its place while the arena takes the values; back again before anything can look for it.
        let mut stack = std::mem::take(&mut self.stack);
        let target = height.checked_sub(1).filter(|&below| below >= self.fence()).and_then(|below| stack.get(below));
        let extended = match target {
            Some(&target) => self.extend(target, kind, stack.get(height..).unwrap_or_default()),
            None => Err(self.corrupt("finds nothing on the stack")),
        };
        stack.truncate(height);
        self.stack = stack;
        extended
    }

    /// Adds values to a container, or to the content of an object.
    fn extend(&mut self, target: Value, kind: NodeKind, values: &[Value]) -> Result<()> {
        let head = Some(target).filter(|target| target.tag() == Tag::Node).and_then(|t| self.arena.head(t.index()));
        let wrong = match head.map(|head| head.kind) {
            Some(found) if found == kind => None,
            Some(NodeKind::Object) => return self.extend_content(target.index(), kind, values),
            Some(other) => Some(format!("{other:?}").to_lowercase()),
            None => Some("plain value".to_owned()),
        };
        match wrong {
            None => self.arena.extend(target.index(), values).map_err(|full| self.full(full)),
            Some(found) => Err(self.corrupt(format!("finds a {found} to add to"))),
        }
    }

    fn extend_content(&mut self, object: u32, kind: NodeKind, values: &[Value]) -> Result<()> {
        let content = self.arena.slot(object, SLOT_CONTENT).filter(|value| value.tag() == Tag::Node);
        let Some(content) = content else {
            let node = self.arena.add(kind, values).map_err(|full| self.full(full))?;
            self.arena.set_slot(object, SLOT_CONTENT, Value::node(node));
            return Ok(());
        };
        if self.arena.head(content.index()).is_none_or(|head| head.kind != kind) {
            return Err(self.corrupt("adds both items and keys to one object"));
        }
        self.arena.extend(content.index(), values).map_err(|full| self.full(full))
    }

    /// Module and name, one line each.
    fn name_lines(&mut self) -> Result<Name> {
        let module = self.input.short_line(NAME_BYTES)?;
        let name = self.input.short_line(NAME_BYTES)?;
        match (String::from_utf8(module), String::from_utf8(name)) {
            (Ok(module), Ok(name)) => Ok(Name { module, name }),
            _ => Err(self.corrupt("is followed by a name that is no text")),
        }
    }

    fn intern(&mut self, name: Name) -> Result<Value> {
        self.arena.intern(name).map(Value::global).map_err(|full| self.full(full))
    }

    fn stack_global(&mut self) -> Result<()> {
        let name = self.pop()?;
        let module = self.pop()?;
        let value = match self.names.get(&(module, name)) {
            Some(&value) => value,
            None => {
                let parsed = Name { module: self.name_text(module)?, name: self.name_text(name)? };
                let value = self.intern(parsed)?;
                self.names.insert((module, name), value);
                value
            }
        };
        self.push(value);
        Ok(())
    }

    fn name_text(&mut self, value: Value) -> Result<String> {
        if value.tag() != Tag::Text {
            return Err(self.corrupt("needs two texts on the stack"));
        }
        if text::encoded_len(&mut self.aside, value.offset())? > NAME_BYTES {
            return Err(self.corrupt("names something with more than a thousand letters"));
        }
        Ok(text::read(&mut self.aside, value.offset())?.string)
    }

    fn pop_args(&mut self) -> Result<Value> {
        let args = self.pop()?;
        let is_tuple = args == Value::EMPTY_TUPLE
            || (args.tag() == Tag::Node && self.arena.head(args.index()).is_some_and(|h| h.kind == NodeKind::Tuple));
        if is_tuple { Ok(args) } else { Err(self.corrupt("needs its arguments as a tuple")) }
    }

    fn push_object(&mut self, callable: Value, args: Value, keywords: Option<Value>) -> Result<()> {
        match keywords {
            None => self.push_node(NodeKind::Object, &[callable, args, Value::NONE, Value::NONE]),
            Some(keywords) => self.push_node(NodeKind::Object, &[callable, args, Value::NONE, Value::NONE, keywords]),
        }
    }

    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let target = self.top()?;
        let is_object = target.tag() == Tag::Node
            && self.arena.head(target.index()).is_some_and(|head| head.kind == NodeKind::Object);
        if !is_object {
            return Err(self.corrupt("finds no object to give a state to"));
        }
        if self.arena.slot(target.index(), SLOT_STATE) != Some(Value::NONE) {
            return Err(self.corrupt("gives an object a second state"));
        }
        self.arena.set_slot(target.index(), SLOT_STATE, state);
        Ok(())
    }
}
