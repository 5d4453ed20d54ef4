//! Reads pickles of plain data, CIFAR's python batches and PyTorch's tensors, and nothing else: data, never code.
//!
//! A pickle is a program for a small stack machine, which may call any function of Python. This reader knows
//! the instructions that build plain data (protocols 0 to 5), and the few names by which NumPy writes arrays;
//! those are understood, not called. A caller may allow other names ([`Names::These`]): what is made with them is
//! kept as it is written, for the caller to understand ([`Value`]). Any other name is refused. Nothing is copied for a
//! length that the file declares, so memory is bounded by a small multiple of the file's size.
//!
//! Written here, because `serde-pickle` has values for plain data only: what NumPy's arrays and PyTorch's tensors are made of
//! would be lost.

pub use super::pickle_error::PickleError;
use super::pickle_error::Result;
use super::pickle_text;
use std::collections::HashMap;
use std::ops::Range;

/// No function or class of Python has a longer name, with its module.
const LONGEST_NAME: usize = 250;

/// A value's index among all values of a pickle.
pub type Id = usize;

/// The names of Python that a pickle may use.
#[derive(Debug, Clone, Copy)]
pub enum Names {
    /// Those by which NumPy writes arrays.
    NumPy,
    /// Those of a module for which this is true.
    These(fn(module: &str, name: &str) -> bool),
}

/// A value as a caller sees it who allowed names of its own.
#[derive(Debug, Clone, Copy)]
pub enum Value<'p> {
    /// A whole number or a truth value.
    Int(i64),
    /// A text or a byte string.
    Bytes(&'p [u8]),
    /// A list or a tuple.
    Sequence(&'p [Id]),
    /// A dictionary, ordered or not; a later entry of the same key counts.
    Dict(&'p [(Id, Id)]),
    /// An allowed name, behind that of its module and a dot.
    Global(&'p str),
    /// What a call of `function` would have made.
    Call {
        /// The function or class.
        function: Id,
        /// A tuple.
        arguments: Id,
        /// What was set afterwards: the attributes of an object.
        state: Option<Id>,
    },
    /// Something that lies outside of the pickle.
    Persistent(Id),
    /// Anything else.
    Other,
}

/// One value. Containers hold the indices of their items.
#[derive(Debug, Clone)]
enum Node {
    None,
    Int(i64),
    /// A part of the file.
    Bytes(Range<usize>),
    /// Bytes that stand in the file in another form: with escapes, or as text that Python 3 wrote for bytes.
    Decoded(Vec<u8>),
    Text(Range<usize>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Name),
    Dtype(Dtype),
    Array {
        dtype: Option<Dtype>,
        shape: Vec<usize>,
        data: Option<Id>,
    },
    Global(String),
    Call {
        function: Id,
        arguments: Id,
        state: Option<Id>,
    },
    Persistent(Id),
}

/// The names that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Reconstruct,
    FromBuffer,
    Scalar,
    Ndarray,
    Dtype,
    Encode,
    OrderedDict,
}

/// The element types of arrays that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dtype {
    Unsigned8,
    Little(usize),
}

/// A read pickle.
pub struct Pickle<'a> {
    file: &'a [u8],
    nodes: Vec<Node>,
    root: Id,
}

/// An array of unsigned bytes in row-major order.
pub struct ByteArray<'a> {
    /// Its sides.
    pub shape: &'a [usize],
    /// Its elements.
    pub data: &'a [u8],
}

impl<'a> Pickle<'a> {
    /// Reads a whole pickle of plain data and NumPy's arrays.
    ///
    /// # Errors
    /// [`PickleError`].
    pub fn read(file: &'a [u8]) -> Result<Self> {
        Self::read_with(file, Names::NumPy)
    }

    /// Reads a whole pickle that may use these names.
    ///
    /// # Errors
    /// [`PickleError`].
    pub fn read_with(file: &'a [u8], names: Names) -> Result<Self> {
        let machine = Machine {
            file,
            names,
            at: 0,
            nodes: vec![],
            stack: vec![],
            marks: vec![],
            memo: HashMap::new(),
            decoded: 0,
        };
        machine.execute()
    }

    /// The outermost value.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The value of an index.
    pub fn value(&self, id: Id) -> Value<'_> {
        match &self.nodes[id] {
            Node::Int(value) => Value::Int(*value),
            Node::List(items) | Node::Tuple(items) => Value::Sequence(items),
            Node::Dict(items) => Value::Dict(items),
            Node::Global(name) => Value::Global(name),
            &Node::Call { function, arguments, state } => Value::Call { function, arguments, state },
            Node::Persistent(id) => Value::Persistent(*id),
            _ => self.bytes(id).map_or(Value::Other, Value::Bytes),
        }
    }

    /// The value under `key` in the outermost dictionary.
    pub fn get(&self, key: &str) -> Option<Id> {
        let Node::Dict(items) = &self.nodes[self.root] else { return None };
        items
            .iter()
            .rev()
            .find(|(name, _)| self.bytes(*name) == Some(key.as_bytes()))
            .map(|(_, value)| *value)
    }

    /// The bytes of a byte string or a text.
    pub fn bytes(&self, id: Id) -> Option<&[u8]> {
        bytes_of(self.file, &self.nodes, id)
    }

    /// An array of unsigned bytes, if its data has the size that its shape says.
    pub fn byte_array(&self, id: Id) -> Option<ByteArray<'_>> {
        match &self.nodes[id] {
            Node::Array { dtype: Some(Dtype::Unsigned8), shape, data: Some(data) } => {
                let data = self.bytes(*data)?;
                let size = shape.iter().try_fold(1usize, |size, &side| size.checked_mul(side))?;
                (size == data.len()).then_some(ByteArray { shape, data })
            }
            _ => None,
        }
    }

    /// A list (or an array) of whole numbers.
    pub fn integers(&self, id: Id) -> Option<Vec<i64>> {
        match &self.nodes[id] {
            Node::List(items) | Node::Tuple(items) => items
                .iter()
                .map(|&item| match self.nodes[item] {
                    Node::Int(value) => Some(value),
                    _ => None,
                })
                .collect(),
            Node::Array { dtype: Some(dtype), data: Some(data), .. } => {
                let width = dtype.width();
                Some(self.bytes(*data)?.chunks_exact(width).map(little_endian).collect())
            }
            _ => None,
        }
    }

    /// A list of texts.
    pub fn texts(&self, id: Id) -> Option<Vec<String>> {
        let Node::List(items) = &self.nodes[id] else { return None };
        items.iter().map(|&item| self.bytes(item).map(|b| String::from_utf8_lossy(b).into_owned())).collect()
    }
}

impl Dtype {
    /// Reads NumPy's name of an element type.
    fn parse(name: &[u8]) -> Option<Dtype> {
        match name {
            b"u1" | b"|u1" | b"B" => Some(Dtype::Unsigned8),
            b"i8" | b"<i8" => Some(Dtype::Little(8)),
            b"i4" | b"<i4" => Some(Dtype::Little(4)),
            _ => None,
        }
    }

    fn width(self) -> usize {
        match self {
            Dtype::Unsigned8 => 1,
            Dtype::Little(width) => width,
        }
    }
}

/// Bytes, least significant first; the sign is that of the highest bit unless there is one byte only.
fn little_endian(bytes: &[u8]) -> i64 {
    let negative = bytes.len() > 1 && bytes.last().is_some_and(|&high| high & 0x80 != 0);
    let mut value = if negative { -1i64 } else { 0 };
    for &byte in bytes.iter().rev() {
        value = value << 8 | i64::from(byte);
    }
    value
}

fn bytes_of<'b>(file: &'b [u8], nodes: &'b [Node], id: Id) -> Option<&'b [u8]> {
    match &nodes[id] {
        Node::Bytes(range) | Node::Text(range) => Some(&file[range.clone()]),
        Node::Decoded(bytes) => Some(bytes),
        _ => None,
    }
}

/// The stack machine.
struct Machine<'a> {
    file: &'a [u8],
    names: Names,
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Bytes made by decoding text.
    decoded: usize,
}

impl<'a> Machine<'a> {
    fn execute(mut self) -> Result<Pickle<'a>> {
        loop {
            match self.byte()? {
                b'.' => {
                    let root = self.pop()?;
                    return Ok(Pickle { file: self.file, nodes: self.nodes, root });
                }
                instruction => self.step(instruction)?,
            }
        }
    }

    /// Performs one instruction.
    fn step(&mut self, instruction: u8) -> Result<()> {
        match instruction {
            0x80 => self.skip(1),                                          // PROTO
            0x95 => self.skip(8),                                          // FRAME
            b'N' => self.push(Node::None),                                 // NONE
            0x88 => self.push(Node::Int(1)),                               // NEWTRUE
            0x89 => self.push(Node::Int(0)),                               // NEWFALSE
            b'K' => self.integer(1),                                       // BININT1
            b'M' => self.unsigned_16(),                                    // BININT2
            b'J' => self.integer(4),                                       // BININT
            0x8a => self.long(),                                           // LONG1
            b'G' => self.skip(8).and_then(|()| self.push(Node::None)), // BINFLOAT: no field of ours is one
            b'U' | b'C' => self.bytes(1),                              // SHORT_BINSTRING, SHORT_BINBYTES
            b'T' | b'B' => self.bytes(4),                              // BINSTRING, BINBYTES
            0x8e | 0x96 => self.bytes(8),                              // BINBYTES8, BYTEARRAY8
            0x8c => self.text(1),                                      // SHORT_BINUNICODE
            b'X' => self.text(4),                                      // BINUNICODE
            0x8d => self.text(8),                                      // BINUNICODE8
            b']' => self.push(Node::List(vec![])),                     // EMPTY_LIST
            b'}' => self.push(Node::Dict(vec![])),                     // EMPTY_DICT
            b')' => self.push(Node::Tuple(vec![])),                    // EMPTY_TUPLE
            0x85..=0x87 => self.tuple_of(usize::from(instruction - 0x84)), // TUPLE1 to TUPLE3
            b'I' | b'L' => self.decimal(),                             // INT, with booleans, LONG
            b'F' => self.line().and_then(|_| self.push(Node::None)),   // FLOAT
            b'S' => self.quoted(),                                     // STRING
            b'V' => self.unicode_line(),                               // UNICODE
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'l' => self.above_mark().and_then(|items| self.push(Node::List(items))), // LIST
            b'd' => self.dict(),                                                      // DICT
            b'p' => self.key_line().and_then(|key| self.remember(key)),               // PUT
            b'g' => self.key_line().and_then(|key| self.recall(key)),                 // GET
            b't' => self.above_mark().and_then(|items| self.push(Node::Tuple(items))), // TUPLE
            b'a' => self.pop().and_then(|item| self.append(vec![item])),              // APPEND
            b'e' => self.above_mark().and_then(|items| self.append(items)),           // APPENDS
            b's' => self.set_item(),                                                  // SETITEM
            b'u' => self.above_mark().and_then(|items| self.set_items(&items)),       // SETITEMS
            b'0' => self.pop().map(drop),                                             // POP
            b'q' => self.length(1).and_then(|key| self.remember(key)),                // BINPUT
            b'r' => self.length(4).and_then(|key| self.remember(key)),                // LONG_BINPUT
            0x94 => self.remember(self.memo.len()),                                   // MEMOIZE
            b'h' => self.length(1).and_then(|key| self.recall(key)),                  // BINGET
            b'j' => self.length(4).and_then(|key| self.recall(key)),                  // LONG_BINGET
            b'c' => self.global(),                                                    // GLOBAL
            0x93 => self.stack_global(),                                              // STACK_GLOBAL
            b'R' | 0x81 => self.reduce(),                                             // REDUCE, NEWOBJ
            b'Q' => self.pop().and_then(|id| self.push(Node::Persistent(id))),        // BINPERSID
            b'b' => self.build(),                                                     // BUILD
            other => Err(PickleError::Instruction(other)),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = &self.file[self.at..];
        let taken = rest.get(..count).ok_or(PickleError::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(drop)
    }

    /// An unsigned number of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize> {
        let value = self.take(width)?.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).map_err(|_| PickleError::Truncated)
    }

    fn push(&mut self, node: Node) -> Result<()> {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id> {
        if self.marks.last().is_some_and(|&mark| mark >= self.stack.len()) {
            return Err(PickleError::Damaged("a value is missing above a mark"));
        }
        self.stack.pop().ok_or(PickleError::Damaged("the stack is empty"))
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or(PickleError::Damaged("the stack is empty"))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or(PickleError::Damaged("a mark is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    fn integer(&mut self, width: usize) -> Result<()> {
        let value = little_endian(self.take(width)?);
        self.push(Node::Int(value))
    }

    fn unsigned_16(&mut self) -> Result<()> {
        let value = self.length(2)? as i64;
        self.push(Node::Int(value))
    }

    /// A whole number of up to eight bytes; longer ones are nothing we look at.
    fn long(&mut self) -> Result<()> {
        let width = self.length(1)?;
        let bytes = self.take(width)?;
        let node = match width {
            0 => Node::Int(0),
            1 => Node::Int(i64::from(bytes[0] as i8)),
            2..=8 => Node::Int(little_endian(bytes)),
            _ => Node::None,
        };
        self.push(node)
    }

    fn range(&mut self, width: usize) -> Result<Range<usize>> {
        let length = self.length(width)?;
        let start = self.at;
        self.skip(length)?;
        Ok(start..self.at)
    }

    fn bytes(&mut self, width: usize) -> Result<()> {
        let range = self.range(width)?;
        self.push(Node::Bytes(range))
    }

    fn text(&mut self, width: usize) -> Result<()> {
        let range = self.range(width)?;
        self.push(Node::Text(range))
    }

    fn tuple_of(&mut self, count: usize) -> Result<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<Id>>>()?;
        items.reverse();
        self.push(Node::Tuple(items))
    }

    fn append(&mut self, mut new: Vec<Id>) -> Result<()> {
        let list = self.top()?;
        match &mut self.nodes[list] {
            Node::List(items) => items.append(&mut new),
            _ => return Err(PickleError::Damaged("items for something that is no list")),
        }
        Ok(())
    }

    fn set_item(&mut self) -> Result<()> {
        let value = self.pop()?;
        let key = self.pop()?;
        self.set_items(&[key, value])
    }

    fn set_items(&mut self, new: &[Id]) -> Result<()> {
        let dict = self.top()?;
        match &mut self.nodes[dict] {
            Node::Dict(items) => items.extend(new.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            _ => return Err(PickleError::Damaged("entries for something that is no dictionary")),
        }
        Ok(())
    }

    fn remember(&mut self, key: usize) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(key as u32, top);
        Ok(())
    }

    fn recall(&mut self, key: usize) -> Result<()> {
        let id = self.memo.get(&(key as u32)).ok_or(PickleError::Damaged("a reference to nothing"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let rest = &self.file[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or(PickleError::Truncated)?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    /// An index into the memo, as a line.
    fn key_line(&mut self) -> Result<usize> {
        let key = pickle_text::decimal(self.line()?)?.and_then(|key| usize::try_from(key).ok());
        key.ok_or(PickleError::Damaged("a reference to nothing"))
    }

    /// A whole number as a line; larger ones than 64 bits are nothing we look at.
    fn decimal(&mut self) -> Result<()> {
        let number = pickle_text::decimal(self.line()?)?;
        self.push(number.map_or(Node::None, Node::Int))
    }

    fn quoted(&mut self) -> Result<()> {
        let bytes = pickle_text::quoted(self.line()?)?;
        self.push(Node::Decoded(bytes))
    }

    fn unicode_line(&mut self) -> Result<()> {
        let text = pickle_text::unicode(self.line()?)?;
        self.push(Node::Decoded(text.into_bytes()))
    }

    fn dict(&mut self) -> Result<()> {
        let items = self.above_mark()?;
        self.push(Node::Dict(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()))
    }

    fn global(&mut self) -> Result<()> {
        let (module, name) = (self.line()?, self.line()?);
        let node = self.named(module, name)?;
        self.push(node)
    }

    fn stack_global(&mut self) -> Result<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let text =
            |id| bytes_of(self.file, &self.nodes, id).ok_or(PickleError::Damaged("a name that is no text"));
        let node = self.named(text(module)?, text(name)?)?;
        self.push(node)
    }

    /// An allowed name, or the refusal of any other.
    fn named(&self, module: &[u8], name: &[u8]) -> Result<Node> {
        let Names::These(allowed) = self.names else { return known_name(module, name).map(Node::Name) };
        if module.len() + name.len() > LONGEST_NAME {
            return Err(refused(module, name)); // each use of an allowed one is kept
        }
        match (std::str::from_utf8(module), std::str::from_utf8(name)) {
            (Ok(module), Ok(name)) if allowed(module, name) => Ok(match (module, name) {
                ("collections", "OrderedDict") => Node::Name(Name::OrderedDict),
                _ => Node::Global(format!("{module}.{name}")),
            }),
            _ => Err(refused(module, name)),
        }
    }

    /// What a call of a known name with its arguments yields, without calling anything.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        if let (Node::Tuple(_), Node::Global(_)) = (&self.nodes[arguments], &self.nodes[function]) {
            return self.push(Node::Call { function, arguments, state: None });
        }
        let (Node::Tuple(arguments), Node::Name(name)) = (&self.nodes[arguments], &self.nodes[function])
        else {
            return Err(PickleError::Damaged("a call of something that is no function"));
        };
        let argument = |index: usize| {
            arguments.get(index).copied().ok_or(PickleError::Damaged("a call with too few arguments"))
        };
        let node = match name {
            Name::Reconstruct => Node::Array { dtype: None, shape: vec![], data: None },
            Name::Dtype => {
                let name = bytes_of(self.file, &self.nodes, argument(0)?).unwrap_or_default();
                Node::Dtype(Dtype::parse(name).ok_or(PickleError::Damaged(
                    "an array whose elements are neither unsigned bytes nor whole numbers",
                ))?)
            }
            Name::Encode => Node::Decoded(self.latin1(argument(0)?)?),
            Name::FromBuffer => {
                self.row_major(argument(3)?)?;
                self.array(argument(2)?, argument(1)?, argument(0)?)?
            }
            Name::Scalar => match (&self.nodes[argument(0)?], bytes_of(self.file, &self.nodes, argument(1)?))
            {
                (Node::Dtype(dtype), Some(bytes)) if bytes.len() == dtype.width() => {
                    Node::Int(little_endian(bytes))
                }
                _ => return Err(PickleError::Damaged("a number that is none")),
            },
            Name::Ndarray => return Err(PickleError::Damaged("an array made in an unknown way")),
            Name::OrderedDict if arguments.is_empty() => Node::Dict(vec![]),
            Name::OrderedDict => return Err(PickleError::Damaged("a dictionary made in an unknown way")),
        };
        self.push(node)
    }

    /// Bytes of Python 2 that Python 3 wrote as text, one character a byte.
    fn latin1(&mut self, text: Id) -> Result<Vec<u8>> {
        let bytes = match &self.nodes[text] {
            Node::Text(range) => &self.file[range.clone()],
            Node::Decoded(text) => text.as_slice(),
            _ => return Err(PickleError::Damaged("text that is none")),
        };
        self.decoded += bytes.len();
        if self.decoded > self.file.len() * 4 {
            return Err(PickleError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| PickleError::Damaged("text that is not UTF-8"))?;
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).map_err(|_| PickleError::Damaged("bytes above 255")))
            .collect()
    }

    fn row_major(&self, order: Id) -> Result<()> {
        match (&self.nodes[order], bytes_of(self.file, &self.nodes, order)) {
            (_, Some(b"C")) | (Node::Int(0), _) => Ok(()),
            _ => Err(PickleError::Damaged("an array in column-major order (save a C-ordered copy)")),
        }
    }

    fn array(&self, shape: Id, dtype: Id, data: Id) -> Result<Node> {
        let (Node::Tuple(sides), Node::Dtype(dtype)) = (&self.nodes[shape], &self.nodes[dtype]) else {
            return Err(PickleError::Damaged("an array without shape or type"));
        };
        if sides.len() > 8 {
            return Err(PickleError::Damaged("an array of more than 8 dimensions"));
        }
        let side = |&id: &Id| match self.nodes[id] {
            Node::Int(side) => usize::try_from(side).map_err(|_| PickleError::Damaged("a negative shape")),
            _ => Err(PickleError::Damaged("a shape that is no number")),
        };
        let shape = sides.iter().map(side).collect::<Result<Vec<usize>>>()?;
        Ok(Node::Array { dtype: Some(*dtype), shape, data: Some(data) })
    }

    /// Gives an array, an element type or what a call made its state. Attributes of a dictionary, PyTorch's
    /// `_metadata`, are nothing we look at.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let object = self.top()?;
        if let Node::Call { state: slot, .. } = &mut self.nodes[object] {
            *slot = Some(state);
            return Ok(());
        }
        match (&self.nodes[object], &self.nodes[state]) {
            (Node::Dtype(_), Node::Tuple(_)) | (Node::Dict(_), Node::Dict(_)) => {}
            (Node::Array { .. }, Node::Tuple(state)) => {
                let &[_, shape, dtype, column_major, data] = state.as_slice() else {
                    return Err(PickleError::Damaged("an array with an unknown state"));
                };
                self.row_major(column_major)?;
                self.nodes[object] = self.array(shape, dtype, data)?;
            }
            _ => return Err(PickleError::Damaged("a state for something that has none")),
        }
        Ok(())
    }
}

/// The known name, or the refusal of any other.
fn known_name(module: &[u8], name: &[u8]) -> Result<Name> {
    match (module, name) {
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Ok(Name::Reconstruct),
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"scalar") => Ok(Name::Scalar),
        (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Ok(Name::FromBuffer),
        (b"numpy", b"ndarray") => Ok(Name::Ndarray),
        (b"numpy", b"dtype") => Ok(Name::Dtype),
        (b"_codecs", b"encode") => Ok(Name::Encode),
        _ => Err(refused(module, name)),
    }
}

fn refused(module: &[u8], name: &[u8]) -> PickleError {
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).escape_debug().to_string();
    PickleError::Refused(format!("{}.{}", text(module), text(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_is_read() {
        let file =
            b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06M\x01\x02J\xff\xff\xff\xffe\x8c\x01a\x8a\x00u.";
        let pickle = Pickle::read(file).unwrap();
        assert_eq!(pickle.integers(pickle.get("labels").unwrap()), Some(vec![6, 513, -1]));
        assert!(pickle.get("data").is_none());
    }

    #[test]
    fn data_of_the_oldest_protocols_is_read() {
        let file = b"(dp0\nVlabels\np1\n(lp2\nI3\naI-1\naL7L\naI01\nasS'data'\np3\nS'a\\n\\x80\\'b'\np4\nsVt\\u0041\xe9\ng1\ns.";
        let pickle = Pickle::read(file).unwrap();
        assert_eq!(pickle.integers(pickle.get("labels").unwrap()), Some(vec![3, -1, 7, 1]));
        assert_eq!(pickle.bytes(pickle.get("data").unwrap()), Some(&b"a\n\x80'b"[..]));
        assert_eq!(pickle.bytes(pickle.get("tA\u{e9}").unwrap()), Some(&b"labels"[..]));
        for bad in [&b"I1x\n."[..], b"S'a\n.", b"S'\\x8'\n.", b"V\\u00\n.", b"px\n.", b"I\n."] {
            assert!(matches!(Pickle::read(bad).err(), Some(PickleError::Damaged(_))), "{bad:?}");
        }
        assert_eq!(
            Pickle::read(b"cos\nsystem\n(S'ls'\ntR.").err(),
            Some(PickleError::Refused("os.system".into()))
        );
    }

    #[test]
    fn functions_are_refused_by_name() {
        let error = Pickle::read(b"\x80\x02cos\nsystem\nU\x02ls\x85R.").err();
        assert_eq!(error, Some(PickleError::Refused("os.system".to_string())));
        let error = Pickle::read(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").err();
        assert_eq!(error, Some(PickleError::Refused("builtins.eval".to_string())));
        assert_eq!(Pickle::read(b"\x80\x02(i").err(), Some(PickleError::Instruction(b'i')));
    }

    #[test]
    fn allowed_names_are_kept_as_they_are_written() {
        let names = Names::These(|module, name| module == "torch" && name == "Size");
        let file = b"\x80\x02ctorch\nSize\nK\x07\x85R}b.";
        let pickle = Pickle::read_with(file, names).unwrap();
        let Value::Call { function, arguments, state: Some(_) } = pickle.value(pickle.root()) else {
            panic!("no call")
        };
        assert!(matches!(pickle.value(function), Value::Global("torch.Size")));
        let Value::Sequence([seven]) = pickle.value(arguments) else { panic!("no tuple") };
        assert!(matches!(pickle.value(*seven), Value::Int(7)));
        assert_eq!(Pickle::read(file).err(), Some(PickleError::Refused("torch.Size".to_string())));
        let numpy = Pickle::read_with(b"cnumpy\nndarray\n.", names).err();
        assert_eq!(numpy, Some(PickleError::Refused("numpy.ndarray".to_string())));
    }

    #[test]
    fn declared_lengths_are_not_believed() {
        for file in
            [&b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"T\xff\xff\xff\x7f", b"\x80\x02]", b""]
        {
            assert_eq!(Pickle::read(file).err(), Some(PickleError::Truncated));
        }
        assert!(matches!(Pickle::read(b"h\x05.").err(), Some(PickleError::Damaged(_))));
        assert!(matches!(Pickle::read(b"(.").err(), Some(PickleError::Damaged(_))));
    }
}
