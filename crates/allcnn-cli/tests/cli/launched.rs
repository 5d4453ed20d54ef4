//! A program without MPI that a launcher starts several times says so instead of training several times.

use crate::support::{command, finish, workspace};

#[test]
fn several_trainings_that_do_not_know_of_each_other_are_refused() {
    let folder = workspace();
    for (size, rank, launcher) in [
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "Open MPI's mpirun"),
        ("PMI_SIZE", "PMI_RANK", "mpirun"),
        ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "srun"),
    ] {
        let process = |number: &str, arguments: &[&str]| {
            finish(command(folder.path(), arguments).env(size, "4").env(rank, number))
        };
        let said = format!("{launcher} started 4 processes");
        process("0", &["train"]).fails(2, &[&said, "built without MPI", "--features mpi"]);
        for arguments in [&["train"][..], &["train", "--shards", "3"]] {
            let other = process("3", arguments);
            assert_eq!((other.code, other.stderr.as_str()), (Some(2), ""), "the first one speaks for all");
        }
        process("1", &["models"]).done();
    }
    let alone = finish(
        command(folder.path(), &["train", "--limit", "64", "--iterations", "1", "--model", "tiny.toml"])
            .env("SLURM_NTASKS", "4")
            .env("SLURM_PROCID", "0"),
    );
    alone.done(); // a batch script of an allocation for four that starts one
    assert!(folder.path().join("runs").exists());
}
