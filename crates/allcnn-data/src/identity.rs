//! What an image is, whatever its name and position: the SHA-256 of its pixels in memory, or of its file's bytes on disk.
use crate::dataset::Images;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// How a file of an [`IdentitySet`] begins.
const MAGIC: &[u8] = b"allcnn identities 1\n";
/// How many bytes of each identity such a set keeps: a million images are taken for a million others once in ten
/// million times.
const HEAD: usize = 8;

/// The SHA-256 of an image's pixels, or of its file's bytes. Written as 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity([u8; 32]);

impl Identity {
    /// That of these pixels, or of the bytes of this file.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head.copy_from_slice(&self.0[..HEAD]);
        head
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Text that is no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no SHA-256: expected 64 hex digits")]
pub struct BadIdentity(String);

impl FromStr for Identity {
    type Err = BadIdentity;

    fn from_str(text: &str) -> Result<Self, BadIdentity> {
        let bad = || BadIdentity(text.chars().take(80).collect());
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..][..2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

/// The identities of images, noted as they become known: at once in memory, on disk when a file is first read. Clones
/// share what they note.
#[derive(Clone, Debug)]
pub struct Identities(Arc<[OnceLock<Identity>]>);

impl Identities {
    /// Those of images in memory; of images on disk none yet.
    pub fn of(images: &Images) -> Self {
        let slot = |index: usize| {
            let slot = OnceLock::new();
            if !images.are_on_disk() {
                let _ = slot.set(Identity::of(images.image(index)));
            }
            slot
        };
        Self((0..images.len()).into_par_iter().map(slot).collect::<Vec<_>>().into())
    }

    /// None, of this number of images.
    pub fn none(images: usize) -> Self {
        Self((0..images).map(|_| OnceLock::new()).collect())
    }

    /// Notes the file of image `index`, unless it was.
    pub fn note(&self, index: usize, file: &[u8]) {
        self.0[index].get_or_init(|| Identity::of(file));
    }

    /// The identity of each image, where it is known.
    pub fn iter(&self) -> impl Iterator<Item = Option<&Identity>> {
        self.0.iter().map(OnceLock::get)
    }
}

/// A set of images that is asked whether an image is in it: the first eight bytes of each identity, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentitySet(Vec<[u8; HEAD]>);

impl IdentitySet {
    /// How many different images are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this image is in it.
    pub fn contains(&self, identity: &Identity) -> bool {
        self.0.binary_search(&identity.head()).is_ok()
    }

    /// Adds the images whose identity is known.
    pub fn add(&mut self, identities: &Identities) {
        self.0.extend(identities.iter().flatten().map(Identity::head));
        self.0.par_sort_unstable();
        self.0.dedup();
    }

    /// The set as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        [MAGIC, self.0.as_flattened()].concat()
    }

    /// The set in a file; nothing where it is not one, or not whole.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (heads, []) = bytes.strip_prefix(MAGIC)?.as_chunks() else { return None };
        heads.is_sorted().then(|| Self(heads.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(count: u8) -> Images {
        let mut images = Images::new(1, 2);
        (0..count).for_each(|number| images.push(&[number; 6], 0, number.to_string()));
        images
    }

    #[test]
    fn an_identity_is_that_of_sha256_and_survives_its_text() {
        let identity = Identity::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((identity.to_string().as_str(), text.parse()), (text, Ok(identity)));
        for bad in ["", "ba78", &text.replace('b', "x"), &format!("{text}0"), &"é".repeat(32)] {
            assert!(bad.parse::<Identity>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_set_knows_its_images_and_survives_its_file() {
        let mut set = IdentitySet::default();
        set.add(&Identities::of(&images(3)));
        set.add(&Identities::of(&images(3)));
        assert_eq!(set.len(), 3);
        assert!(set.contains(&Identity::of(&[2; 6])) && !set.contains(&Identity::of(&[3; 6])));
        let file = set.to_bytes();
        assert_eq!((file.len(), IdentitySet::from_bytes(&file)), (MAGIC.len() + 24, Some(set)));
        assert_eq!(IdentitySet::from_bytes(&file[..file.len() - 1]), None, "it is cut");
        assert_eq!(IdentitySet::from_bytes(&file[1..]), None, "it is another file");
        let mut swapped = file.clone();
        swapped[MAGIC.len()..].rotate_left(8);
        assert_eq!(IdentitySet::from_bytes(&swapped), None, "it is not sorted");
    }

    #[test]
    fn a_file_is_noted_once_for_all_who_share_the_notes() {
        let noted = Identities::none(2);
        noted.clone().note(1, b"abc");
        noted.note(1, b"other");
        assert_eq!(noted.iter().collect::<Vec<_>>(), [None, Some(&Identity::of(b"abc"))]);
    }
}
