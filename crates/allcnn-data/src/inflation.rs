//! How much may come out of compressed data: a small file that unpacks to more than any data is a trap.
//!
//! Deflate makes at most 1,032 bytes of one, the other compressions many thousands. Photographs give 1 to 2. Pictures of a single
//! color each, uncompressed, give 170 to 460 where they have 32x32 pixels, and more where they are larger; so what a single
//! picture file may have comes out of anything.
use std::cell::Cell;
use std::error::Error as Cause;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// The bytes that may come out whatever went in ...
const FREE: u64 = 256 << 20;
/// ... and beyond that, the bytes that may come out for each that went in.
const MAX: u64 = 1000;

/// Why compressed data is not unpacked, though nothing in it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It becomes too much.
    #[error(
        "more than {MAX} bytes come out of each of its compressed ones, as of a file that is made to fill a machine.\nIf it is what you expect, unpack it and give the folder."
    )]
    TooMuch,
    /// Its decoder would need too much memory.
    #[error(
        "unpacking it takes more than {0} MiB of memory.\nPack it again with a smaller dictionary (xz -9 needs 65 MiB)."
    )]
    Memory(u64),
}

impl Refusal {
    /// The refusal behind an error, whatever readers wrapped it on its way.
    pub(crate) fn behind(error: &io::Error) -> Option<Refusal> {
        let mut cause: Option<&(dyn Cause + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(refusal) = error.downcast_ref::<Refusal>() {
                return Some(*refusal);
            }
            cause = match error.downcast_ref::<io::Error>() {
                Some(wrapper) => wrapper.get_ref().map(|inner| inner as &(dyn Cause + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, refusal)
    }
}

/// Refuses that `compressed` bytes become `bytes`.
pub(crate) fn check(bytes: u64, compressed: u64) -> Result<(), Refusal> {
    if bytes > FREE && bytes > compressed.saturating_mul(MAX) { Err(Refusal::TooMuch) } else { Ok(()) }
}

/// Counts the bytes that a decoder takes from a reader.
pub(crate) struct Counted<R> {
    reader: R,
    taken: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(room)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.taken.set(self.taken.get() + bytes as u64);
        self.reader.consume(bytes);
    }
}

/// Reads from a decoder as long as it returns no more than is allowed.
pub(crate) struct Inflation<D> {
    decoder: D,
    taken: Rc<Cell<u64>>,
    given: u64,
}

impl<D: Read> Inflation<D> {
    /// Of a decoder that has all of its `compressed` bytes.
    pub(crate) fn of_size(decoder: D, compressed: u64) -> Self {
        Self { decoder, taken: Rc::new(Cell::new(compressed)), given: 0 }
    }

    /// Of the decoder of a stream.
    pub(crate) fn of_stream<R: BufRead>(
        reader: R,
        decoder: impl FnOnce(Counted<R>) -> io::Result<D>,
    ) -> io::Result<Self> {
        let taken = Rc::new(Cell::new(0));
        let decoder = decoder(Counted { reader, taken: Rc::clone(&taken) })?;
        Ok(Self { decoder, taken, given: 0 })
    }
}

impl<D: Read> Read for Inflation<D> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(room)?;
        self.given += read as u64;
        check(self.given, self.taken.get())?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives as much as it is asked for and takes one byte each time.
    struct Swelling<R>(R);

    impl<R: Read> Read for Swelling<R> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            Ok(if self.0.read(&mut [0])? == 0 { 0 } else { room.len() })
        }
    }

    #[test]
    fn much_comes_out_of_little_up_to_a_limit_only() {
        let read = |compressed: usize, block: usize| {
            let source = vec![0u8; compressed];
            let mut reader =
                Inflation::of_stream(source.as_slice(), |counted| Ok(Swelling(counted))).unwrap();
            let (mut room, mut total) = (vec![0; block], 0);
            loop {
                match reader.read(&mut room) {
                    Ok(0) => return Ok(total),
                    Ok(read) => total += read as u64,
                    Err(error) => return Err((total, Refusal::behind(&error))),
                }
            }
        };
        assert_eq!(read(255, 1 << 20), Ok(255 << 20), "a little data may be of any kind");
        assert_eq!(read(500_000, 1000), Ok(500_000_000), "as many as deflate makes of drawings");
        assert_eq!(read(300, 1 << 20), Err((256 << 20, Some(Refusal::TooMuch))));
        // Where the ratio rises late, all that came before counts.
        assert!(check(10 << 30, 11 << 20).is_ok() && check(12 << 30, 11 << 20).is_err());
    }

    #[test]
    fn a_refusal_is_found_behind_other_errors() {
        let wrapped = io::Error::other(io::Error::from(Refusal::Memory(7)));
        assert_eq!(Refusal::behind(&wrapped), Some(Refusal::Memory(7)));
        assert_eq!(Refusal::behind(&io::Error::other("else")), None);
    }
}
