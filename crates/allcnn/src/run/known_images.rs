//! The images of a run by content, whatever their names and paths: `trained.bin` lists those it was trained on,
//! `heldout.txt` those it was not.
//!
//! Images in memory are identified by their pixels, all before the first step. Images on disk are identified by
//! their file's bytes when first read; before each checkpoint, the identities of all images it was trained on are
//! written.

use std::collections::HashMap;
use std::io::ErrorKind;

use super::error::RunError;
use super::folder::RunFolder;
use crate::data::{DataSet, Identities, Identity, IdentitySet, Images, open_file};
use crate::input::Samples;
use crate::text::shown::escaped;

/// Records the images of a new training: all of them if in memory, an empty list if on disk.
///
/// # Errors
/// [`RunError::Io`].
pub fn begin(run: &RunFolder, data: &DataSet) -> Result<(), RunError> {
    let mut trained = IdentitySet::default();
    trained.add(&Identities::of(&data.train));
    run.write(&run.trained_images(), &trained.to_bytes())?;
    write_heldout(run, &[&data.validation, &data.test].map(|images| (images, Identities::of(images))))
}

/// Like [`begin`], but for a resumed training that has no such files because an earlier version started it. A
/// training from disk that has made steps stays without, as the images it read are unknown.
///
/// # Errors
/// [`RunError::Io`].
pub fn resume(run: &RunFolder, data: &DataSet, made_steps: bool) -> Result<(), RunError> {
    let known = run.trained_images().exists() || (made_steps && data.train.are_on_disk());
    if known { Ok(()) } else { begin(run, data) }
}

/// Records the files read since the last call. Call it before writing a checkpoint.
///
/// # Errors
/// [`RunError::Io`], [`RunError::Identities`].
pub fn update<'a>(
    run: &RunFolder,
    train: &Samples<'_>,
    heldout: impl IntoIterator<Item = &'a Samples<'a>>,
) -> Result<(), RunError> {
    if !train.images().are_on_disk() {
        return Ok(());
    }
    let Some(mut trained) = trained(run)? else { return Ok(()) };
    let before = trained.len();
    trained.add(&train.identities());
    if trained.len() != before {
        run.write(&run.trained_images(), &trained.to_bytes())?;
    }
    if run.heldout().exists() {
        return Ok(());
    }
    let heldout: Vec<_> =
        heldout.into_iter().map(|samples| (samples.images(), samples.identities())).collect();
    write_heldout(run, &heldout)
}

/// Like [`update`], at the end of the training. If it was killed after its last epoch, the held-out images that
/// selected its best checkpoint were read by another process; they are then read again.
///
/// # Errors
/// As [`update`].
pub fn complete<'a>(
    run: &RunFolder,
    train: &Samples<'_>,
    heldout: impl IntoIterator<Item = &'a Samples<'a>> + Clone,
) -> Result<(), RunError> {
    if !run.heldout().exists() {
        heldout.clone().into_iter().for_each(Samples::identify);
    }
    update(run, train, heldout)
}

/// Writes `heldout.txt`, once every held-out image is identified, in the format of `sha256sum`: a line with digest
/// and name per image.
fn write_heldout(run: &RunFolder, heldout: &[(&Images, Identities)]) -> Result<(), RunError> {
    let mut text = String::new();
    for (images, identities) in heldout {
        for (name, identity) in images.names.iter().zip(identities.iter()) {
            let Some(identity) = identity else { return Ok(()) };
            text += &format!("{identity}  {}\n", escaped(name));
        }
    }
    run.write(&run.heldout(), text.as_bytes())
}

/// Returns the images that a run was trained on, or `None` if they were not recorded.
///
/// # Errors
/// [`RunError::Io`], [`RunError::Identities`].
pub fn trained(run: &RunFolder) -> Result<Option<IdentitySet>, RunError> {
    let path = run.trained_images();
    match open_file::read(&path, open_file::LIST) {
        Ok(bytes) => IdentitySet::from_bytes(&bytes).map(Some).ok_or(RunError::Identities(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunError::Io { action: "read", path, source }),
    }
}

/// Returns the names of held-out images whose content has changed since the run first read them; empty if it was
/// not recorded.
///
/// # Errors
/// [`RunError::Io`], [`RunError::Identities`].
pub fn changed(run: &RunFolder, images: &Images, now: &Identities) -> Result<Vec<String>, RunError> {
    let path = run.heldout();
    if !path.exists() {
        return Ok(vec![]);
    }
    let text = open_file::read_text(&path, open_file::LIST).map_err(|source| RunError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    let line = |line: &str| {
        let (identity, name) = line.split_once("  ")?;
        Some((name.to_owned(), identity.parse().ok()?))
    };
    let then: Option<HashMap<String, Identity>> = text.lines().map(line).collect();
    let then = then.ok_or(RunError::Identities(path))?;
    let names = images.names.iter().map(|name| escaped(name)).zip(now.iter());
    let other = |(name, now): &(String, Option<&Identity>)| {
        now.is_some_and(|now| then.get(name).is_some_and(|then| then != now))
    };
    Ok(names.filter(other).map(|(name, _)| name).collect())
}
