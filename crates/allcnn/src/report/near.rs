//! The page of near-duplicate images.

use std::io;
use std::path::Path;

use maud::{Markup, html};

use super::error::{WriteReportError, write_page};
use super::html::{self, thousands};
use super::pictures;
use crate::data::DataSet;
use crate::data::near::{Compared, Near, NearGroup, NearImage};
use crate::run::PROGRAM;

/// The maximum number of groups on a page.
const MAX_GROUPS: usize = 200;
/// The maximum number of pictures per group.
const MAX_PICTURES: usize = 24;
/// The longer side of a picture, in pixels.
const SIDE: usize = 128;
/// The largest number of pictures in a group that does not take the full width of the page.
const BESIDE: usize = 4;

/// Writes the page of the near-duplicates found in `set` to `path`, atomically: at most 200 groups with at most 24
/// pictures each.
///
/// # Errors
/// A file that cannot be written; an image on disk that can no longer be read.
pub fn write_near(near: &Near, set: &DataSet, path: &Path) -> Result<(), WriteReportError> {
    write_page(render(near, set), path)
}

fn render(near: &Near, set: &DataSet) -> io::Result<String> {
    let shown = near.groups.len().min(MAX_GROUPS);
    let (across, within) = near.groups[..shown].split_at(near.groups_across_splits.min(shown));
    let body = html! {
        (figures(near))
        (section("Across splits", across, near.groups_across_splits, set)?)
        (section("Within a split", within, near.groups_within_split, set)?)
        @if near.groups.is_empty() {
            (html::section(false, "Nothing found", "No two images are nearly the same.", &html! {}))
        }
    };
    let below = format!("{} images of {}, {}", thousands(near.images as f64), set.name, compared(near));
    Ok(html::page("Nearly the same", &below, &body, PROGRAM))
}

/// Describes what was compared and the similarity threshold.
fn compared(near: &Near) -> String {
    let what = match near.compared {
        Compared::Pictures => "the pictures compared",
        Compared::Features => "a network's features compared",
    };
    let left_out = match near.left_out {
        0 => String::new(),
        left_out => format!("; {} that cannot be read are left out", thousands(left_out as f64)),
    };
    format!("{what}; near from a similarity of {} on{left_out}", near.least_similarity)
}

fn figures(near: &Near) -> Markup {
    let number = |count: usize| thousands(count as f64);
    let groups = |count: usize| if count == 1 { "group" } else { "groups" }.to_owned();
    let mut cards = vec![
        ("Across splits", number(near.groups_across_splits), vec![groups(near.groups_across_splits)]),
        ("Within a split", number(near.groups_within_split), vec![groups(near.groups_within_split)]),
        (
            "Different classes",
            number(near.groups_with_different_labels),
            vec![groups(near.groups_with_different_labels)],
        ),
    ];
    for (name, images, other) in [
        ("Test images", near.test_images_near_train, "near a training image"),
        ("Validation images", near.validation_images_near_train, "near a training image"),
        ("Test images", near.test_images_near_validation, "near a validation image"),
    ] {
        if images > 0 {
            cards.push((name, number(images), vec![other.to_owned()]));
        }
    }
    html::cards(&cards)
}

/// A section that shows `groups` of `total` groups.
fn section(title: &str, groups: &[NearGroup], total: usize, set: &DataSet) -> io::Result<Markup> {
    let note = match total - groups.len() {
        0 => String::new(),
        _ => format!(
            "{} of {} groups are shown; --json lists all.",
            thousands(groups.len() as f64),
            thousands(total as f64)
        ),
    };
    let cards = html! {
        div.groups {
            @for shown in groups { (group(shown, set)?) }
        }
    };
    Ok(html::section(total == 0, title, &note, &cards))
}

/// A card with the pictures of a group side by side.
fn group(group: &NearGroup, set: &DataSet) -> io::Result<Markup> {
    let more = group.images.len().saturating_sub(MAX_PICTURES);
    Ok(html! {
        div.card.group.wide[group.images.len() > BESIDE] {
            div.said {
                span { "similarity " (format_args!("{:.3}", group.similarity)) }
                @if group.labels_differ { b { "different classes" } }
            }
            div.tiles {
                @for image in group.some(MAX_PICTURES) { (tile(image, set)?) }
            }
            @if more > 0 {
                div.said { "and " (thousands(more as f64)) " more; --json lists all" }
            }
        }
    })
}

fn tile(image: &NearImage, set: &DataSet) -> io::Result<Markup> {
    let (images, index) = image.location.of(set);
    let picture = images.thumbnail(index, SIDE).map_err(io::Error::other)?;
    let caption = html! {
        div { (image.split) ", " (image.class) }
        div.file { (image.file) }
    };
    pictures::tile(&picture, &image.file, &caption)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::near::{Group, Location};
    use crate::data::shapes;

    #[test]
    fn what_is_shown_is_limited_and_what_there_is_is_told() {
        let mut set = shapes::draw(0, 50, 50);
        set.classes[0] = "<script>".into();
        let locations = Location::all(&set);
        let pair = |first: usize| Group { members: vec![first, first + 500], similarity: 0.98 };
        let mut groups: Vec<Group> = (0..250).map(pair).collect();
        groups.push(Group { members: (400..430).collect(), similarity: 0.99 });
        let near = Near::of(&set, Compared::Pictures, 0.97, &locations, groups);
        assert_eq!((near.groups_across_splits, near.groups_within_split), (250, 1));
        assert_eq!(near.test_images_near_train, 250);
        let page = render(&near, &set).unwrap();
        assert!(page.contains("200 of 250 groups are shown") && page.contains("0 of 1 groups are shown"));
        assert_eq!(page.matches("<img").count(), 400);
        assert!(
            !page.contains("<script>")
                && page.contains("&lt;script&gt;")
                && !page.contains("http:")
                && !page.contains("https:")
        );
        let group = |members: Vec<usize>| vec![Group { members, similarity: 1.0 }];
        let near = Near::of(&set, Compared::Pictures, 0.97, &locations, group((400..430).collect()));
        let page = render(&near, &set).unwrap();
        assert!(page.contains("and 6 more; --json lists all") && page.matches("<img").count() == 24);
        // A large group that spans splits shows images of every split.
        let members = (400..430).chain(500..502).collect();
        let near = Near::of(&set, Compared::Pictures, 0.97, &locations, group(members));
        let page = render(&near, &set).unwrap();
        assert!(page.contains("and 8 more") && page.matches("<div>test, ").count() == 2);
        let none = Near::of(&set, Compared::Pictures, 0.97, &locations, vec![]);
        assert!(render(&none, &set).unwrap().contains("No two images are nearly the same."));
    }
}
