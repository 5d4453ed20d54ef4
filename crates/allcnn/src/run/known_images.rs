//! The images that a run knows by what they are, whatever their names and places: `trained.bin`, those it was trained on,
//! and `heldout.txt`, those it was not.
//!
//! Images in memory are known by their pixels, all of them before the first step. Images on disk are known by their files'
//! bytes, noted when each is first read: what a checkpoint has seen is written before the checkpoint is.

use std::collections::HashMap;
use std::io::ErrorKind;

use super::error::RunError;
use super::folder::RunFolder;
use crate::data::{DataSet, Identities, Identity, IdentitySet, Images, open_file};
use crate::input::Samples;
use crate::text::shown::escaped;

/// Notes the images of a training that begins: all of them in memory, on disk that none was read yet.
///
/// # Errors
/// [`RunError::Io`].
pub fn begin(run: &RunFolder, data: &DataSet) -> Result<(), RunError> {
    let mut trained = IdentitySet::default();
    trained.add(&Identities::of(&data.train));
    run.write(&run.trained_images(), &trained.to_bytes())?;
    write_heldout(run, &[&data.validation, &data.test].map(|images| (images, Identities::of(images))))
}

/// The same for a training that is resumed, where the program that began it did not. A training on disk that has made steps
/// stays without: what it read is not known any more.
///
/// # Errors
/// [`RunError::Io`].
pub fn resume(run: &RunFolder, data: &DataSet, made_steps: bool) -> Result<(), RunError> {
    let known = run.trained_images().exists() || (made_steps && data.train.are_on_disk());
    if known { Ok(()) } else { begin(run, data) }
}

/// Notes the files that were read since. To be called before a checkpoint is written.
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

/// The same when all is done. Where the training was killed after its last epoch, the held-out images that chose its best
/// checkpoint were read by another process: they are read again.
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

/// Writes `heldout.txt` once every image of it is known: a line an image, its digest and its name, as `sha256sum` does.
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

/// The images that a run was trained on; nothing where it does not know them.
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

/// The names of those of the run's held-out images that are not what they were when the run first saw them. Nothing where
/// it does not know that.
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
