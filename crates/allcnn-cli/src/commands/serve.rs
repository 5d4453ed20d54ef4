//! `allcnn serve`: the explorer in a browser.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use allcnn::run::RunFolder;
use allcnn::text::shown::PathText;
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_serve::{Address, Explored, ServeError, ServeOptions, address_of_training, serve};
use serde_json::json;

use crate::args::{OutputFlags, ServeArgs};
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::failure::WrongUsage;
use crate::interrupt;
use crate::output;
use crate::progress::Progress;
use crate::streams;

/// How often it is looked whether a training has begun.
const LOOK: Duration = Duration::from_millis(50);

/// Answers until Ctrl-C.
pub(super) fn run(arguments: &ServeArgs) -> anyhow::Result<Exit> {
    let explored = explored(&arguments.explored)?;
    let ServeArgs { host, port, token, .. } = arguments;
    let options = ServeOptions { host: *host, port: *port, token: token.clone() };
    let device = device::open(&arguments.common)?;
    let stop = Arc::new(AtomicBool::new(false));
    interrupt::listen(&stop)?;
    let mut printed = Ok(());
    let served = on_device!(device, |device| serve(&device, explored, &options, &stop, |address| {
        printed = print(arguments, address);
        if printed.is_err() {
            stop.store(true, Ordering::Relaxed);
        } else if !arguments.no_open {
            open_in_browser(&address.to_string());
        }
    }));
    served.map_err(|error| match error {
        ServeError::Token { .. } => WrongUsage(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    printed.map(|()| Exit::DONE)
}

/// Does `work`, a training into `run`, while an explorer of one thread answers on this machine. It ends with the work.
pub(super) fn beside<T>(run: &RunFolder, output: OutputFlags, work: impl FnOnce() -> T) -> anyhow::Result<T> {
    let options = CpuOptions { threads: Some(1), ..CpuOptions::default() };
    let (device, stop) = (Cpu::new(options)?, AtomicBool::new(false));
    let begun = |address: &Address| {
        // There is nothing to see before.
        while !RunFolder::is_run(run.path()) && !stop.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
        let page = format!("{address}{}", address_of_training(run));
        Progress::of(output).note(&format!("explorer    {page}"));
        open_in_browser(&page);
    };
    let answer = |options: &ServeOptions| serve(&device, Explored::Run(run.clone()), options, &stop, begun);
    thread::scope(|scope| {
        let own = ServeOptions::default();
        let server = scope.spawn(move || match answer(&own) {
            Err(ServeError::Listen { .. }) => answer(&ServeOptions { port: 0, ..own }),
            answered => answered,
        });
        let done = {
            let _end = SetOnDrop(&stop); // also where the work panics
            work()
        };
        if let Ok(Err(error)) = server.join() {
            streams::warning(&format!("no explorer: {error}"));
        }
        Ok(done)
    })
}

/// Sets a flag when dropped.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a path shows: a run, or a folder of runs.
fn explored(path: &Path) -> anyhow::Result<Explored> {
    if let Ok(run) = RunFolder::open(path) {
        return Ok(Explored::Run(run));
    }
    if path.is_dir() {
        return Ok(Explored::Folder(path.into()));
    }
    Err(WrongUsage(format!(
        "{} is no folder; expected a run, or a folder with runs: `allcnn train` makes runs/",
        path.shown()
    ))
    .into())
}

/// Prints where it answers.
fn print(arguments: &ServeArgs, address: &Address) -> anyhow::Result<()> {
    if arguments.common.output.json {
        return output::json(&json!({ "address": address.to_string(), "token": address.token }));
    }
    let mut text = format!("explorer  {address}\n");
    if let Some(token) = &address.token {
        text += &format!("token     {token}\n");
    }
    if !arguments.host.is_loopback() {
        streams::warning(
            "other machines can reach this address, and the network sees what is sent; the webcam works on localhost only",
        );
    }
    text += "Ctrl-C ends it\n";
    output::text(&text)
}

/// Opens the page, where there is a screen.
fn open_in_browser(address: &str) {
    let needs_display = cfg!(all(unix, not(target_os = "macos")));
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some());
    if needs_display && !has_display {
        return;
    }
    if let Err(error) = open::that_detached(address) {
        streams::message(&format!("cannot open a browser: {error}"));
    }
}
