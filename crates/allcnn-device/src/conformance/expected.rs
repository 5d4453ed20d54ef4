//! What the reference makes of the cases, kept in a file: an emulated machine need not compute it again.
//!
//! The file holds for each comparison its name (the length as u64, then UTF-8), its tolerance (f64) and its values (their
//! number as u64, then f32), little-endian.

use std::io::{self, BufRead, Read, Write};

use super::Suite;
use super::arena::{Compared, Results};

impl Suite {
    /// Writes what is expected.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        for Compared { name, values, tolerance } in &self.expected.compared {
            to.write_all(&(name.len() as u64).to_le_bytes())?;
            to.write_all(name.as_bytes())?;
            to.write_all(&tolerance.to_le_bytes())?;
            to.write_all(&(values.len() as u64).to_le_bytes())?;
            for value in values {
                to.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// Reads what another machine expects, written by the same version.
    ///
    /// # Errors
    /// Those of the reader; an end in the middle of a comparison.
    pub fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut compared = Vec::new();
        while !from.fill_buf()?.is_empty() {
            let length = u64::from_le_bytes(array(from)?);
            let name = String::from_utf8(bytes(from, length)?)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let tolerance = f64::from_le_bytes(array(from)?);
            let count = u64::from_le_bytes(array(from)?);
            let values =
                (0..count).map(|_| array(from).map(f32::from_le_bytes)).collect::<io::Result<_>>()?;
            compared.push(Compared { name, values, tolerance });
        }
        Ok(Self { expected: Results { compared, differences: Vec::new() } })
    }
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    from.read_exact(&mut array)?;
    Ok(array)
}

fn bytes(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_survives_a_file() {
        let mut expected = Results::default();
        expected.push("a".into(), vec![1.5, -0.0, f32::MIN_POSITIVE], 1e-5);
        expected.push("nothing".into(), vec![], 0.0);
        let mut file = Vec::new();
        Suite { expected }.write(&mut file).unwrap();
        let read = Suite::read(&mut file.as_slice()).unwrap().expected.compared;
        let read: Vec<_> =
            read.iter().map(|it| (it.name.as_str(), it.values.as_slice(), it.tolerance)).collect();
        let values = [1.5, -0.0, f32::MIN_POSITIVE];
        assert_eq!(read, [("a", values.as_slice(), 1e-5), ("nothing", &[], 0.0)]);
        assert!(Suite::read(&mut &file[..file.len() - 1]).is_err());
    }
}
