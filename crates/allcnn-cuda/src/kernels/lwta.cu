// Local winner-take-all: of each `size` neighboring channels the largest stays, the first of equals.

/// Of each group of `values` the one whose input won, and zeros: forward `values` is the input itself, backward the signal.
/// A thread does a group.
extern "C" __global__ void keep_winners(Values input, Values values, Values kept, u32 size, u64 groups) {
    u64 group = thread_number();
    if (group >= groups) return;
    u64 first = group * size;
    float best = load(input, first);
    u32 winner = 0;
    for (u32 at = 1; at < size; ++at) {
        float value = load(input, first + at);
        if (value > best) {
            best = value;
            winner = at;
        }
    }
    for (u32 at = 0; at < size; ++at) store(kept, first + at, at == winner ? load(values, first + at) : 0.0f);
}
