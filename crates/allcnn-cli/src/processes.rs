//! The processes that `mpirun` or `srun` started together, of which each runs this program.

use std::env;

use allcnn_device::{Collective, SingleProcess};

use crate::exit::Exit;
use crate::failure::WrongUsage;

/// What tells a process that a launcher started several: the launcher, and its variables for their number and for the rank.
const LAUNCHERS: [(&str, &str, &str); 4] = [
    ("Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("mpirun", "PMI_SIZE", "PMI_RANK"),
    // Not SLURM_NTASKS, which a batch script that runs one program sees too.
    ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("a launcher", "PMIX_SIZE", "PMIX_RANK"),
];

/// The variables for the number of processes on this machine.
const LOCAL: [&str; 2] = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"];

/// The processes that train one network: most often this one alone.
pub(crate) enum Processes {
    Single,
    #[cfg(feature = "mpi")]
    Several(allcnn_mpi::World),
}

impl Processes {
    /// Joins those that a launcher started together.
    pub(crate) fn join() -> anyhow::Result<Self> {
        match launched() {
            Some((launcher, processes)) => Self::join_launched(launcher, processes),
            None => Ok(Self::Single),
        }
    }

    #[cfg(feature = "mpi")]
    fn join_launched(launcher: &str, processes: usize) -> anyhow::Result<Self> {
        let world = allcnn_mpi::World::join()?;
        if world.size() == 1 {
            return Err(alone(&format!(
                "{launcher} started {processes} processes, and each finds itself alone: each would train by itself\n\
                 start them by the mpirun of the MPI library that this program is linked with; with Slurm try srun --mpi=pmix or --mpi=pmi2"
            )));
        }
        Ok(Self::Several(world))
    }

    #[cfg(not(feature = "mpi"))]
    fn join_launched(launcher: &str, processes: usize) -> anyhow::Result<Self> {
        Err(alone(&format!(
            "{launcher} started {processes} processes, and this program is built without MPI: each would train by itself\n\
             build it with `cargo build --release --features mpi`, or start one process"
        )))
    }

    pub(crate) fn collective(&self) -> &dyn Collective {
        match self {
            Self::Single => &SingleProcess,
            #[cfg(feature = "mpi")]
            Self::Several(world) => world,
        }
    }

    /// Whether this process does what another one leads.
    pub(crate) fn follows(&self) -> bool {
        self.collective().rank() > 0
    }

    /// Does this process's part. If it fails, all processes end: the others would wait for it for ever.
    pub(crate) fn together(
        self,
        work: impl FnOnce(&dyn Collective) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Single => work(&SingleProcess),
            #[cfg(feature = "mpi")]
            Self::Several(world) => {
                use std::panic::{AssertUnwindSafe, catch_unwind};
                let code = match catch_unwind(AssertUnwindSafe(|| work(&world))) {
                    Ok(Ok(exit)) => {
                        world.finish();
                        return Ok(exit);
                    }
                    Ok(Err(error)) => {
                        let follows = world.rank() > 0;
                        crate::failure::report(&if follows { error.context(world.name()) } else { error })
                    }
                    Err(_) => crate::failure::report_panic(),
                };
                world.abort(code.0)
            }
        }
    }
}

/// Whether this process speaks for all that a launcher started: each sees the same mistake in the command line.
pub(crate) fn speaks() -> bool {
    launched().is_none() || LAUNCHERS.iter().find_map(|(.., rank)| number(rank)) == Some(0)
}

/// The error of several processes that do not find each other: told by one of them.
fn alone(why: &str) -> anyhow::Error {
    if !speaks() {
        std::process::exit(Exit::USAGE.0.into());
    }
    WrongUsage(why.into()).into()
}

/// The launcher of several processes, if one started this, and how many it started.
fn launched() -> Option<(&'static str, usize)> {
    let of = |(launcher, size, rank): &(&'static str, &str, &str)| {
        number(rank)?;
        Some((*launcher, number(size).filter(|&processes| processes > 1)?))
    };
    LAUNCHERS.iter().find_map(of)
}

/// Threads for this process where none were asked for: its share of the processors, if others are on this machine.
pub(crate) fn threads() -> Option<usize> {
    let local = LOCAL.iter().find_map(|name| number(name)).filter(|&processes| processes > 1)?;
    let own = std::thread::available_parallelism().ok()?.get();
    // A launcher that binds processes to processors has dealt them out already.
    Some(if own < processors()? { own } else { own.div_ceil(local) })
}

/// The processors of this machine.
fn processors() -> Option<usize> {
    let path = std::path::Path::new("/proc/cpuinfo");
    let text = allcnn::data::open_file::read_text(path, allcnn::data::open_file::SETTINGS).ok()?;
    Some(text.lines().filter(|line| line.starts_with("processor")).count().max(1))
}

fn number(variable: &str) -> Option<usize> {
    env::var(variable).ok()?.parse().ok()
}
