// Padding by copies of the nearest pixel, `rows` above and below, `columns` to the left and to the right, and back.

/// A thread does one value of the padded images.
extern "C" __global__ void edge_pad_forward(Values input, float* output, u32 height, u32 width, u32 channels, u32 rows, u32 columns,
                                            u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u32 padded_height = height + 2 * rows, padded_width = width + 2 * columns;
    u64 pixel = at / channels, image = pixel / ((u64)padded_height * padded_width);
    u32 row = (u32)(pixel / padded_width % padded_height), column = (u32)(pixel % padded_width);
    u32 y = row < rows ? 0 : row < rows + height ? row - rows : height - 1;
    u32 x = column < columns ? 0 : column < columns + width ? column - columns : width - 1;
    output[at] = load(input, ((image * height + y) * width + x) * channels + at % channels);
}

/// d_input = the sum of the signals of a value's copies; a thread does one value.
extern "C" __global__ void edge_pad_backward(Values d_output, float* d_input, u32 height, u32 width, u32 channels, u32 rows,
                                             u32 columns, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u32 padded_height = height + 2 * rows, padded_width = width + 2 * columns;
    u64 pixel = at / channels, image = pixel / ((u64)height * width);
    u32 y = (u32)(pixel / width % height), x = (u32)(pixel % width);
    u32 top = y == 0 ? 0 : y + rows, bottom = y == height - 1 ? padded_height : y + rows + 1;
    u32 left = x == 0 ? 0 : x + columns, right = x == width - 1 ? padded_width : x + columns + 1;
    float sum = 0.0f;
    for (u32 row = top; row < bottom; row++) {
        for (u32 column = left; column < right; column++) {
            sum += load(d_output, ((image * padded_height + row) * padded_width + column) * channels + at % channels);
        }
    }
    d_input[at] = sum;
}
