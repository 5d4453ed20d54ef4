// Values from one storage format and row length to another: between the buffers' layout and the one that convolutions read,
// whose channels are padded with zeros to a multiple of what tensor cores take.

/// to[row][column] = from[row][column], zero where `from` has no such row or column.
extern "C" __global__ void repack(Values from, Values to, u64 from_rows, u64 to_rows, u32 from_columns,
                                  u32 to_columns) {
    u64 at = thread_number();
    if (at >= to_rows * to_columns) return;
    u64 row = at / to_columns;
    u32 column = (u32)(at % to_columns);
    bool there = row < from_rows && column < from_columns;
    store(to, at, there ? load(from, row * from_columns + column) : 0.0f);
}

/// The same for rows of equal length: four values a thread.
extern "C" __global__ void convert(Values from, Values to, u64 len) {
    u64 at = thread_number() * 4;
    if (at < len) store_four(to, at, len, load_four(from, at, len));
}
