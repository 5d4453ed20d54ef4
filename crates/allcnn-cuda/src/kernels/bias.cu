// The gradient of a bias: sums over the rows of the gradient of the output, in two stages of fixed order.

#define COLUMNS 32
#define ROWS 8

/// parts[part][column] = the sum of a column over the part's rows. Blocks of COLUMNS x ROWS threads; block (x, y) does
/// COLUMNS columns of part y.
extern "C" __global__ void column_parts(Values values, u64 rows, u32 columns, u64 rows_per_part, float* parts) {
    __shared__ float sums[ROWS][COLUMNS];
    u32 column = blockIdx.x * COLUMNS + threadIdx.x;
    u64 begin = (u64)blockIdx.y * rows_per_part;
    u64 end = begin + rows_per_part < rows ? begin + rows_per_part : rows;
    float sum = 0.0f;
    if (column < columns)
        for (u64 row = begin + threadIdx.y; row < end; row += ROWS) sum += load(values, row * columns + column);
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns) {
        for (int row = 1; row < ROWS; ++row) sum += sums[row][threadIdx.x];
        parts[(u64)blockIdx.y * columns + column] = sum;
    }
}

/// total[column] = the sum of the parts.
extern "C" __global__ void column_totals(const float* parts, u32 part_count, u32 columns, float* totals) {
    u32 column = (u32)thread_number();
    if (column >= columns) return;
    float sum = 0.0f;
    for (u32 part = 0; part < part_count; ++part) sum += parts[(u64)part * columns + column];
    totals[column] = sum;
}
