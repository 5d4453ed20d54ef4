//! `GET /api/runs/NAME/events`: what a training does, as it does it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use allcnn::run::RunFolder;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::explorer::{Explorer, blocking};
use super::problem::Problem;
use crate::runs::{Listed, MetricsRow, State as RunState};

/// How often the run's folder is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The state is told at least once in so many looks.
const TELL: u32 = 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Epochs that the page knows.
    #[serde(default)]
    after: u32,
}

/// What a run is at.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct At {
    state: RunState,
    epoch: u32,
    epochs: u32,
    eta_seconds: Option<f64>,
}

/// A page that listens to a run.
struct Listener {
    name: String,
    run: RunFolder,
    after: u32,
    told: Option<At>,
    looks: u32,
    waiting: VecDeque<Event>,
    /// Its place among those that listen.
    _place: OwnedSemaphorePermit,
}

pub(super) async fn listen(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Query(Asked { after }) = asked?;
    let place = explorer.listeners.clone().try_acquire_owned().map_err(|_| Problem::busy())?;
    let listing = explorer.listing;
    let (name, run) = blocking(move || {
        let run = listing.folder(&name).ok_or_else(|| Problem::no_run(&name))?;
        Ok((name, run))
    })
    .await?;
    let listener =
        Listener { name, run, after, told: None, looks: 0, waiting: VecDeque::new(), _place: place };
    let events = futures_util::stream::unfold(listener, |mut listener| async {
        loop {
            if let Some(event) = listener.waiting.pop_front() {
                return Some((Ok(event), listener));
            }
            if listener.looks > 0 {
                sleep(LOOK).await;
            }
            listener = tokio::task::spawn_blocking(move || listener.look()).await.ok()?;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Listener {
    /// Looks at the folder for what is new.
    fn look(mut self) -> Self {
        self.looks += 1;
        let rows = self.run.history();
        for row in rows.iter().filter(|row| row.epoch > self.after) {
            self.waiting.extend(event("epoch", &MetricsRow::from(row.clone())));
        }
        self.after = rows.last().map_or(self.after, |row| row.epoch.max(self.after));
        let Ok(Listed { summary, .. }) = Listed::of(self.name.clone(), &self.run) else { return self };
        let left = f64::from(summary.epochs.saturating_sub(summary.epoch));
        let pace = rows.last().filter(|row| row.epoch > 0).map(|row| row.seconds / f64::from(row.epoch));
        let eta_seconds = pace.filter(|_| summary.state == RunState::Training).map(|pace| pace * left);
        let at = At { state: summary.state, epoch: summary.epoch, epochs: summary.epochs, eta_seconds };
        if self.told.as_ref() != Some(&at)
            || (at.state == RunState::Training && self.looks.is_multiple_of(TELL))
        {
            self.waiting.extend(event("state", &at));
            self.told = Some(at);
        }
        self
    }
}

fn event(kind: &str, data: &impl Serialize) -> Option<Event> {
    Event::default().event(kind).json_data(data).ok()
}
