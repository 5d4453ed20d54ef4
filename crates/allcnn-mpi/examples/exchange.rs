//! How long the processes of a job take to add up their gradients: `mpirun -n N exchange` prints a line of JSON for each size, by
//! which docs/MANY_MACHINES.md predicts a training on this network.

use std::time::Instant;

use allcnn_device::Collective;
use allcnn_mpi::World;

/// Numbers of values: nothing but latency, and the parameters of All-CNN-C, of ImageNet's network and of Large All-CNN.
const SIZES: [usize; 4] = [64, 1_369_738, 9_372_840, 77_455_690];
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = World::join()?;
    for size in SIZES {
        let mut values = vec![0.0; size];
        let mut seconds = vec![];
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            world.all_reduce(&mut values)?;
            seconds.push(begin.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        if world.rank() == 0 {
            let median = seconds[ROUNDS / 2];
            println!("{{\"processes\": {}, \"values\": {size}, \"seconds\": {median}}}", world.size());
        }
    }
    world.finish();
    Ok(())
}
