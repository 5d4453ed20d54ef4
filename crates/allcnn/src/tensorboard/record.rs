//! TFRecord: the framing of event files. A record is its length (u64), the length's checksum (u32), the message, and its checksum
//! (u32), all little-endian.

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C (Castagnoli).
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Appends a record to `file`.
pub(super) fn push(file: &mut Vec<u8>, message: &[u8]) {
    let length = (message.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(checksum(&length).to_le_bytes());
    file.extend(message);
    file.extend(checksum(message).to_le_bytes());
}

/// The masked checksum: rotated, as a checksum of data that holds checksums would be weak, plus a constant.
fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8a9136aa.
    #[test]
    fn checksums_are_those_of_the_standard_masked() {
        assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aau32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    /// The first record of every event file that TensorFlow writes, but for its time.
    #[test]
    fn a_record_is_framed() {
        let mut file = vec![];
        push(&mut file, b"\x1a\x0dbrain.Event:2");
        assert_eq!(file[..8], 15u64.to_le_bytes());
        assert_eq!(file.len(), 8 + 4 + 15 + 4);
        assert_eq!(file[12..27], *b"\x1a\x0dbrain.Event:2");
    }
}
